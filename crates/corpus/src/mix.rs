//! The transfer set: LL, TL, LT, TT, mt and comp (sections 3.2.1 to 3.2.4), and native text.
//!
//! Every question takes its given answer y or the LLM's own ŷ; the subsets whose question and
//! answer differ in language say so in the question ([`answer_in`]); sentence pairs become
//! translation and completion tasks. The questions and sentences are split into three parts: no
//! question is trained on in one subset and held out in another. What shares text with an
//! evaluation set is left out ([`crate::decontamination`]).

mod answers;
mod choice;
mod config;
mod contamination;
mod directive;
mod drafts;
mod native;
mod sentences;
mod split;
mod write;

use std::path::Path;
use std::time::Instant;

use artefacts::Key;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

pub use choice::AnswerCounts;
pub use config::{AnswerDirective, MixConfig, PairSelection, Sampling};
pub use directive::answer_in;
pub use drafts::SubsetSummary;
pub use sentences::{TargetPairs, TargetSentences};
pub use write::{HELD_OUT_FILE, TEST_FILE};

use choice::{Choice, OwnAnswer};
use drafts::{Drafts, TransferSet};
use split::Part;

use crate::decontamination::EvaluationIndex;
use crate::language::Language;
use crate::progress::Progress;
use crate::read_ahead::read_ahead;
use crate::record::{CodeSwitched, Example, Translated};
use crate::rejected::Rejected;
use crate::stage::{Inputs, Manifest, StageError};

/// Everything the transfer set is made of.
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
    /// Native text with its instructions: the rows of the stage `native`, if there is one.
    pub native: Option<Inputs<'a, Translated>>,
    /// Lines of the corpora that were rejected while reading: they head `rejected.jsonl`.
    pub rejected: &'a [Rejected],
    /// The evaluation sets; what shares text with them is rejected.
    pub evaluation: Option<&'a EvaluationIndex>,
}

/// Writes the transfer set of `inputs` to `folder`: the training part as a stage's output file, the
/// held-out parts as [`HELD_OUT_FILE`] and [`TEST_FILE`], all in an order shuffled by the seed.
///
/// Returns at once if the folder holds the transfer set of the same inputs and `config`. The
/// manifest's details have the subsets' sizes, as a [`SubsetSummary`] by subset, and the
/// [`AnswerCounts`].
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
    let set = transfer_set(inputs, config, folder, progress);
    progress.end();
    let (mut set, left_out) = set?;
    set.sort();
    target.write(&mut set, &left_out, inputs, started)
}

/// The key of the transfer set that [`mix`] makes of `inputs`.
pub fn key(inputs: &MixInputs<'_>, config: &MixConfig) -> Result<Key, StageError> {
    Ok(write::provenance(inputs, config)?.key())
}

/// All examples, kept in `folder`, and the lines and rows that gave none.
fn transfer_set(
    inputs: &MixInputs<'_>,
    config: &MixConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(TransferSet, LeftOut), StageError> {
    let mut set = TransferSet::new(folder)?;
    let mut left_out = LeftOut {
        rejected: inputs.rejected.to_vec(),
        contaminated_rows: 0,
        answers: AnswerCounts::default(),
    };
    let available = inputs.rows.count(OwnAnswer::is_available)?;
    let choice = Choice::new(config, available as f64 / inputs.rows.len().max(1) as f64);
    let chunks = inputs.rows.len().div_ceil(ROWS as u64);
    read_ahead(inputs.rows.chunks(ROWS, 0..chunks)?, |rows| {
        let drafts = rows.par_chunks(ROWS_PER_TASK).map(|rows| {
            let (mut drafts, mut contaminated) = (Drafts::default(), Vec::new());
            let mut answers = AnswerCounts::default();
            for row in rows {
                if let Some(rejected) = contamination::of_row(inputs.evaluation, &row.row) {
                    contaminated.push(rejected);
                    continue;
                }
                answers.rows += 1;
                answers.available += u64::from(row.row.generated.is_some());
                answers.own += u64::from(choice.of(row).own);
                for mixed in answers::examples(row, inputs.source, &choice, config) {
                    drafts.push(&mixed, Some(&row.row.id), config.seed)?;
                }
            }
            Ok::<_, StageError>((drafts, contaminated, answers))
        });
        for (drafts, contaminated, answers) in drafts.collect::<Result<Vec<_>, _>>()? {
            set.add(drafts)?;
            left_out.contaminated_rows += contaminated.len() as u64;
            left_out.rejected.extend(contaminated);
            left_out.answers.rows += answers.rows;
            left_out.answers.available += answers.available;
            left_out.answers.own += answers.own;
        }
        progress.advance(rows.len() as u64);
        Ok(())
    })?;
    let tasks = SentenceTasks::of(inputs, config)?;
    for tasks in tasks.examples.chunks(ROWS) {
        let mut drafts = Drafts::default();
        for mixed in tasks {
            drafts.push(mixed, None, config.seed)?;
        }
        set.add(drafts)?;
    }
    left_out.rejected.extend(tasks.rejected);
    Ok((set, left_out))
}

/// Rows and lines that gave no example, and the answers of the others.
struct LeftOut {
    rejected: Vec<Rejected>,
    /// Rows among them of which nothing was taken, since an evaluation set has text of theirs.
    contaminated_rows: u64,
    answers: AnswerCounts,
}

/// Rows read at a time, and rows that make a task for a thread.
const ROWS: usize = 1024;
const ROWS_PER_TASK: usize = 64;

/// An example on its way into the transfer set.
struct Mixed {
    example: Example,
    part: Part,
    /// Whether the answer is the LLM's own.
    generated: bool,
}

/// Examples out of natural text, and the text that gave none.
#[derive(Default)]
struct SentenceTasks {
    examples: Vec<Mixed>,
    rejected: Vec<Rejected>,
}

impl SentenceTasks {
    fn of(inputs: &MixInputs<'_>, config: &MixConfig) -> Result<SentenceTasks, StageError> {
        let mut tasks = SentenceTasks::default();
        let mut taken = FxHashMap::default();
        let mut of_pairs = FxHashSet::default();
        for pairs in inputs.pairs {
            let sentences = sentences::add_pairs(&mut tasks, pairs, inputs, config);
            of_pairs.extend(sentences.iter().map(|sentence| (pairs.target, *sentence)));
            taken.insert(pairs.target, sentences);
        }
        for sentences in inputs.monolingual {
            // A sentence of a pair is already in one part of the transfer set.
            let taken = taken.remove(&sentences.target).unwrap_or_default();
            sentences::add_monolingual(&mut tasks, sentences, taken, inputs.evaluation, config);
        }
        native::add(&mut tasks, inputs, &of_pairs, config)?;
        Ok(tasks)
    }
}
