//! Settings of the transfer set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Subset;
use crate::stage::StageError;

/// Settings of the transfer set. The defaults are the paper's method with an answer directive.
///
/// The paper's baselines and ablations are settings of `subsets` and `generated_fraction`:
///
/// | method (section) | subsets | generated_fraction | answer_directive |
/// |---|---|---|---|
/// | SDRRL (3.2) | all | 0.5 | |
/// | SFT (4.1) | `LL` | 0 | |
/// | T-SFT (4.1) | `LL`, `TT` | 0 | |
/// | CIT (4.1) | `LL`, `LT` | 0 | `cross-lingual` |
/// | without TL and LT (Table 6) | `LL`, `TT`, `mt`, `comp` | 0.5 | |
/// | without ŷ (Table 6) | all | 0 | |
/// | without mt and comp (Table 6) | `LL`, `TL`, `LT`, `TT` | 0.5 | |
/// | only mt and comp (Table 6) | `mt`, `comp` | | |
///
/// `code_switched = false` is Table 6's "without code-switching", and belongs to the baselines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixConfig {
    /// Seed of every random choice.
    #[schemars(extend("default-text" = "the run's"))]
    pub seed: u64,
    /// The subsets U; empty ones do not count.
    pub subsets: Vec<Subset>,
    /// Share of examples with the LLM's own answer ŷ instead of the given answer y.
    pub generated_fraction: f64,
    /// Whether a question asks for the language of its answer, if that is another.
    pub answer_directive: AnswerDirective,
    /// Whether code-switched questions are used.
    pub code_switched: bool,
    /// Maximum number of pairs taken from each parallel corpus (1,000 in the paper's experiments).
    pub parallel_pairs: usize,
    /// Selection of these pairs.
    pub pair_selection: PairSelection,
    /// Maximum number of sentences taken from each monolingual text.
    pub monolingual_sentences: usize,
    /// Share of the questions and sentences held out of training.
    pub held_out_fraction: f64,
}

impl Default for MixConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            subsets: Subset::ALL.to_vec(),
            generated_fraction: 0.5,
            answer_directive: AnswerDirective::CrossLingual,
            code_switched: true,
            parallel_pairs: 1000,
            pair_selection: PairSelection::Sampled,
            monolingual_sentences: 1000,
            held_out_fraction: 0.05,
        }
    }
}

/// Whether questions name the language of their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerDirective {
    /// Questions of TL and LT end with a sentence that names the language of the answer. Without
    /// it, TL teaches a model to answer questions in the target language in the source language.
    CrossLingual,
    /// As in the paper.
    None,
}

/// Selection of pairs from a parallel corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairSelection {
    /// The first ones.
    First,
    /// Randomly chosen ones.
    Sampled,
}

impl MixConfig {
    /// Whether the transfer set contains `subset`.
    pub fn wants(&self, subset: Subset) -> bool {
        self.subsets.contains(&subset)
    }

    /// Checks the values.
    pub fn validate(&self) -> Result<(), StageError> {
        let error = |message: String| Err(StageError::Options(message));
        if self.subsets.is_empty() {
            let names: Vec<_> = Subset::ALL.iter().map(|subset| subset.name()).collect();
            return error(format!(
                "mix.subsets is empty; choose from {}",
                names.join(", ")
            ));
        }
        if !(0.0..=1.0).contains(&self.generated_fraction) {
            let value = self.generated_fraction;
            return error(format!(
                "mix.generated_fraction = {value} is not between 0 and 1"
            ));
        }
        if !(0.0..1.0).contains(&self.held_out_fraction) {
            let value = self.held_out_fraction;
            return error(format!(
                "mix.held_out_fraction = {value} is not at least 0 and below 1"
            ));
        }
        Ok(())
    }
}
