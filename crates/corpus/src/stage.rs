//! Stages over files: a killed run resumes, and a re-run repeats only what changed.
//!
//! A stage turns rows into rows ([`RowStage`]); [`run`] applies it to many of them and leaves in
//! the stage's folder
//!
//! ```text
//! part-00000-of-00001.jsonl   the output rows, in the order of the input
//! rejected.jsonl              rejected rows and texts, each with its reason
//! rows.tsv                    one line an input row: its hash and the extent of its results
//! manifest.json               written last: what was done, with what, and how long it took
//! ```
//!
//! While it works it appends to a journal, one checksummed record a chunk of rows; whatever a
//! killed process wrote of an unfinished record is discarded. A row is identified by the hash of
//! its content, the stage, its parameters and its engines: rows whose hash is in the journal or in
//! the output of an earlier run are taken from there. The row files hold no time and no trace of
//! how often the run was interrupted, so that they are byte-identical to those of an undisturbed
//! run.

mod assemble;
mod error;
mod finished;
mod inputs;
mod manifest;
mod names;
mod options;
mod run;
mod shard;

use serde_json::Value;

pub use error::StageError;
pub use inputs::Inputs;
pub use manifest::{Counts, Manifest, RowResults, manifest, output_file, rejected_file};
pub use options::StageOptions;
pub use run::{key, most_shards, run};
pub use shard::{InvalidShard, Shard, require_free};

pub(crate) use names::{Names, file_name};

use crate::record::Row;
pub use crate::rejected::{Rejected, Rejection};
use crate::seam::EngineIdentity;

/// A stage that treats every row by itself.
///
/// The result of a row may depend on the row, [`RowStage::parameters`] and the engines, and on
/// nothing else: not on its neighbours, the time, or randomness other than
/// [`crate::sampling`]'s. This is what makes sharding and resuming exact.
pub trait RowStage: Sync {
    /// Rows that come in.
    type Input: Row;
    /// Rows that go out.
    type Output: Row;

    /// Name of the stage and of its folder, in `snake_case`.
    fn name(&self) -> &'static str;

    /// Raised whenever the code changes in a way that changes results.
    fn version(&self) -> u32;

    /// Everything that shapes the output apart from the engines.
    fn parameters(&self) -> Value;

    /// The engines that do the work.
    fn engines(&self) -> Vec<EngineIdentity> {
        Vec::new()
    }

    /// The config key that sets the threshold of a reason to reject, if there is one.
    fn key_of(&self, reason: &str) -> Option<String> {
        let _ = reason;
        None
    }

    /// Further numbers for the manifest of a finished stage. They shape no row.
    fn details(&self, inputs: &Inputs<'_, Self::Input>) -> Result<Value, StageError> {
        let _ = inputs;
        Ok(Value::Null)
    }

    /// Number of consecutive rows that [`RowStage::process`] is given, and the journal commits, at
    /// once: the work that a kill loses at most. Engines that take long for a row want few.
    fn chunk_rows(&self) -> usize {
        1024
    }

    /// One outcome a row, in order.
    fn process(&self, rows: &[Self::Input]) -> Result<Vec<Outcome<Self::Output>>, StageError>;

    /// As [`RowStage::process`]; a stage whose rows are expensive hands over those that it finished
    /// before it failed.
    fn process_partly(&self, rows: &[Self::Input]) -> Partial<Self::Output> {
        match self.process(rows) {
            Ok(outcomes) => Partial {
                outcomes: outcomes.into_iter().map(Some).collect(),
                stopped: None,
            },
            Err(error) => Partial::stopped(error),
        }
    }
}

/// What a stage made of some rows, and the reason it came no further.
pub struct Partial<T> {
    /// The outcome of each row, in order; `None` if the stage did not come to it. Empty if it came
    /// to none.
    pub outcomes: Vec<Option<Outcome<T>>>,
    /// The reason the stage stopped.
    pub stopped: Option<StageError>,
}

impl<T> Partial<T> {
    /// Nothing was done.
    pub fn stopped(error: StageError) -> Self {
        Self {
            outcomes: Vec::new(),
            stopped: Some(error),
        }
    }

    /// All outcomes, or the reason why some are missing.
    pub fn complete(self) -> Result<Vec<Outcome<T>>, StageError> {
        match self.stopped {
            Some(error) => Err(error),
            None => Ok(self.outcomes.into_iter().flatten().collect()),
        }
    }
}

/// Result of one input row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The rows that go on: usually one, none if the row was rejected as a whole.
    pub outputs: Vec<T>,
    /// The rejected texts. A row may go on without them.
    pub rejections: Vec<Rejection>,
}

impl<T> Outcome<T> {
    /// The row is kept, with nothing rejected.
    pub fn kept(output: T) -> Self {
        Self {
            outputs: vec![output],
            rejections: Vec::new(),
        }
    }

    /// The row does not go on.
    pub fn rejected(rejection: Rejection) -> Self {
        Self {
            outputs: Vec::new(),
            rejections: vec![rejection],
        }
    }

    /// The row is kept without what was rejected of it.
    pub fn kept_without(output: T, rejections: Vec<Rejection>) -> Self {
        Self {
            outputs: vec![output],
            rejections,
        }
    }
}
