//! Stages over files: a killed run goes on where it was, and a re-run repeats only what changed.
//!
//! A stage turns rows into rows ([`RowStage`]); [`run`] applies it to many of them and leaves in
//! the stage's folder
//!
//! ```text
//! part-00000-of-00001.jsonl   the output rows, in the order of the input
//! rejected.jsonl              what was kept aside, each with its reason
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
pub(crate) mod atomic;
mod error;
mod finished;
mod inputs;
mod journal;
mod lock;
mod manifest;
mod options;
mod run;
mod shard;
mod store;

use serde_json::Value;

pub use error::StageError;
pub use inputs::Inputs;
pub use lock::require_free;
pub use manifest::{Counts, Files, Manifest};
pub use options::StageOptions;
pub use run::run;
pub use shard::{InvalidShard, Shard};

pub(crate) use assemble::seconds_since_1970;
pub(crate) use atomic::AtomicFile;
pub(crate) use finished::{Names, is_intact};
pub(crate) use lock::Lock;

use crate::record::Row;
pub use crate::rejected::{Rejected, Rejection};
use crate::seam::EngineIdentity;

/// A stage that treats every row by itself.
///
/// The result of a row may depend on the row, [`RowStage::parameters`] and the engines, and on
/// nothing else: not on its neighbours, the time, or randomness other than
/// [`crate::sampling`]'s. This is what makes sharding and resuming exact.
pub trait RowStage: Sync {
    /// What comes in.
    type Input: Row;
    /// What goes out.
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

    /// What the manifest is to say of a finished stage beside its counts. Shapes no row.
    fn details(&self, inputs: &Inputs<'_, Self::Input>) -> Result<Value, StageError> {
        let _ = inputs;
        Ok(Value::Null)
    }

    /// How many consecutive rows [`RowStage::process`] is given at once and the journal commits at
    /// once: the work that a kill loses at most. Engines that take long for a row want few.
    fn chunk_rows(&self) -> usize {
        1024
    }

    /// One outcome a row, in order.
    fn process(&self, rows: &[Self::Input]) -> Result<Vec<Outcome<Self::Output>>, StageError>;
}

/// What became of one input row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The rows that go on: usually one, none where the row was rejected as a whole.
    pub outputs: Vec<T>,
    /// What was refused of it. A row may go on without the texts that were refused.
    pub rejections: Vec<Rejection>,
}

impl<T> Outcome<T> {
    /// The row goes on, with nothing refused.
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

    /// The row goes on without what was refused of it.
    pub fn kept_without(output: T, rejections: Vec<Rejection>) -> Self {
        Self {
            outputs: vec![output],
            rejections,
        }
    }
}
