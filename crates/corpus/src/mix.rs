//! The transfer set: LL, TL, LT, TT, mt and comp with their weights (sections 3.2.1 to 3.2.5).
//!
//! Every question takes its given answer y or the LLM's own ŷ; the subsets whose question and
//! answer differ in language say so in the question ([`answer_in`]); sentence pairs become
//! translation and completion tasks. A part of the questions and sentences is held out, whole: no
//! question is trained on in one subset and held out in another. What shares text with an
//! evaluation set is left out ([`crate::decontamination`]).

mod answers;
mod config;
mod contamination;
mod directive;
mod sentences;
mod write;

use std::path::Path;
use std::time::Instant;

use rustc_hash::FxHashMap;

pub use config::{AnswerDirective, MixConfig, PairSelection};
pub use directive::answer_in;
pub use sentences::{TargetPairs, TargetSentences};
pub use write::{HELD_OUT_FILE, SubsetSummary};

use crate::decontamination::EvaluationIndex;
use crate::language::Language;
use crate::progress::Progress;
use crate::record::{CodeSwitched, Example, Subset};
use crate::rejected::Rejected;
use crate::sampling;
use crate::stage::{Inputs, Manifest, StageError};

/// What the transfer set is made of.
#[derive(Debug, Clone)]
pub struct MixInputs<'a> {
    /// The code-switched rows, for every target language.
    pub rows: Inputs<'a, CodeSwitched>,
    /// The resource-rich language.
    pub source: Language,
    /// The parallel corpus of every target language that has one.
    pub pairs: &'a [TargetPairs],
    /// Text in the target languages alone, for further completion tasks.
    pub monolingual: &'a [TargetSentences],
    /// Lines of the corpora that were rejected where they were read: they head `rejected.jsonl`.
    pub rejected: &'a [Rejected],
    /// The evaluation sets; what shares text with them is rejected.
    pub evaluation: Option<&'a EvaluationIndex>,
}

/// Writes the transfer set of `inputs` to `folder`: the training part as a stage's output file, the
/// held-out part as [`HELD_OUT_FILE`], both in an order shuffled by the seed.
///
/// Returns at once where the folder holds the transfer set of the same inputs and `config`. The
/// subsets' sizes are in the manifest's details, as a [`SubsetSummary`] by subset.
pub fn mix(
    inputs: &MixInputs<'_>,
    config: &MixConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Manifest, StageError> {
    config.validate()?;
    let target = write::Target::open(inputs, config, folder)?;
    if let Some(manifest) = target.unchanged() {
        return Ok(manifest);
    }
    let started = Instant::now();
    progress.begin("mix", Some(inputs.rows.len()));
    let set = TransferSet::of(inputs, config, progress);
    progress.end();
    target.write(set?, started)
}

/// An example on its way into the transfer set.
struct Mixed {
    example: Example,
    held_out: bool,
    /// Whether the answer is the LLM's own.
    generated: bool,
}

/// All examples, and the sentences that gave none.
#[derive(Default)]
struct TransferSet {
    examples: Vec<Mixed>,
    rejected: Vec<Rejected>,
    /// Rows of which nothing was taken, since an evaluation set has text of theirs.
    contaminated_rows: u64,
}

impl TransferSet {
    fn of(
        inputs: &MixInputs<'_>,
        config: &MixConfig,
        progress: &dyn Progress,
    ) -> Result<TransferSet, StageError> {
        let mut set = TransferSet {
            rejected: inputs.rejected.to_vec(),
            ..TransferSet::default()
        };
        let mut monolingual = MonolingualQuestions::default();
        for row in inputs.rows.iter()? {
            let row = row?;
            if let Some(rejected) = contamination::of_row(inputs.evaluation, &row) {
                set.rejected.push(rejected);
                set.contaminated_rows += 1;
                progress.advance(1);
                continue;
            }
            for mixed in answers::examples(&row, inputs.source, config) {
                match mixed.example.subset {
                    Subset::LL => monolingual.add(&row, mixed, config.seed, &mut set.examples),
                    _ => set.examples.push(mixed),
                }
            }
            progress.advance(1);
        }
        for pairs in inputs.pairs {
            sentences::add_pairs(&mut set, pairs, inputs, config);
        }
        for sentences in inputs.monolingual {
            sentences::add_monolingual(&mut set, sentences, inputs.evaluation, config);
        }
        Ok(set)
    }
}

/// Keeps one LL example a question: with several target languages there is one a language, which
/// differ in the words that were switched alone. The seed decides which.
#[derive(Default)]
struct MonolingualQuestions {
    /// By question: the sort key of its example so far, and where that is.
    kept: FxHashMap<String, (u64, usize)>,
}

impl MonolingualQuestions {
    fn add(&mut self, row: &CodeSwitched, mixed: Mixed, seed: u64, examples: &mut Vec<Mixed>) {
        let key = sampling::shuffle_key(seed, "LL language", &mixed.example.id);
        match self.kept.get_mut(&row.row.id) {
            None => {
                self.kept.insert(row.row.id.clone(), (key, examples.len()));
                examples.push(mixed);
            }
            Some((lowest, index)) if key < *lowest => {
                *lowest = key;
                examples[*index] = mixed;
            }
            Some(_) => {}
        }
    }
}
