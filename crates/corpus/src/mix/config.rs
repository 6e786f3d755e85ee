//! Settings of the transfer set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;
use crate::record::Subset;
use crate::stage::StageError;

/// Settings of the transfer set. The defaults are the paper's method with an answer directive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixConfig {
    /// Seed of every random choice.
    #[schemars(extend("default-text" = "the run's"))]
    pub seed: u64,
    /// The subsets of the transfer set, U in the paper. One without examples is left out. `native`
    /// needs `[reverse_instructions]`.
    #[schemars(extend("default-text" = "those of `method`: for `sdrrl` all, `native` if there is native text"))]
    pub subsets: Vec<Subset>,
    /// How the given answers y and the LLM's own answers ŷ are sampled (Eq. 4).
    pub sampling: Sampling,
    /// Share of the questions with the LLM's own answer ŷ, drawn among those whose ŷ was not
    /// rejected; without effect on `sampling = "both"`. All subsets of a question have the same
    /// answer. With 0, the LLM is not asked, unless `store` has answers for runs of other methods.
    pub generated_fraction: f64,
    /// Whether a question asks for the language of its answer, if that is another.
    pub answer_directive: AnswerDirective,
    /// Whether code-switched questions are used.
    pub code_switched: bool,
    /// Subsets of which a teacher, the LLM before training, gives distributions over the answers: it
    /// is asked the plain question in the source language. `LL`, `TL`, both or none; see
    /// `train.distil_share`.
    pub distilled: Vec<Subset>,
    /// Maximum number of training pairs taken from each parallel corpus (1,000 in the paper's
    /// experiments); what is held out comes in addition.
    pub parallel_pairs: usize,
    /// Selection of these pairs.
    pub pair_selection: PairSelection,
    /// Maximum number of training sentences taken from each monolingual text.
    pub monolingual_sentences: usize,
    /// Share of the questions and sentences that are held out to choose the checkpoint.
    pub held_out_fraction: f64,
    /// Share of the questions and sentences that are held out for the evaluation alone.
    pub test_fraction: f64,
}

impl Default for MixConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            subsets: Subset::PAPER.to_vec(),
            sampling: Sampling::OneOfTwo,
            generated_fraction: 0.5,
            answer_directive: AnswerDirective::CrossLingual,
            code_switched: true,
            distilled: Vec::new(),
            parallel_pairs: 1000,
            pair_selection: PairSelection::Sampled,
            monolingual_sentences: 1000,
            held_out_fraction: 0.05,
            test_fraction: 0.05,
        }
    }
}

/// Sampling of the given answers and the LLM's own: Eq. 4, which leaves open whether a question can
/// have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Every question has one of the two.
    OneOfTwo,
    /// Each of the two is drawn by itself: a question may have both or neither.
    Independent,
    /// Every question has both, unless its ŷ was rejected.
    Both,
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

    /// Whether an example may have the LLM's own answer.
    pub fn wants_own_answers(&self) -> bool {
        let asked = [Subset::LL, Subset::TL, Subset::LT, Subset::TT];
        let own = self.generated_fraction > 0.0 || self.sampling == Sampling::Both;
        own && asked.into_iter().any(|subset| self.wants(subset))
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
        let ranges = Ranges("mix");
        ranges.share("generated_fraction", self.generated_fraction)?;
        ranges.fraction("held_out_fraction", self.held_out_fraction)?;
        ranges.fraction("test_fraction", self.test_fraction)?;
        let held_out = self.held_out_fraction + self.test_fraction;
        if held_out >= 1.0 {
            return error(format!(
                "mix.held_out_fraction + mix.test_fraction = {held_out} leaves nothing to train on; lower one of them"
            ));
        }
        let answered_in_source = [Subset::LL, Subset::TL];
        if let Some(subset) = (self.distilled.iter()).find(|&d| !answered_in_source.contains(d)) {
            return error(format!(
                "mix.distilled: {} cannot be taught by a teacher that answers in the source language; choose LL, TL or both",
                subset.name()
            ));
        }
        Ok(())
    }
}
