//! Options of a run of a stage.

use std::time::Duration;

use super::shard::Shard;

/// Options of a run; none of them changes its results.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// Which part of the rows to work on. Once every shard is done (or none of the machines will
    /// come back), a run of [`Shard::WHOLE`] in the same folder merges their results and does
    /// what is missing.
    pub shard: Shard,
    /// The stage stops when a larger share of its rows has something rejected; judged after the
    /// first hundred rows and at the end. 1.0 never stops.
    pub max_rejected_fraction: f64,
    /// Maximum time before finished rows are forced to disk. Zero forces every
    /// chunk. A killed process loses none of them; this is for power failures.
    pub sync_interval: Duration,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            shard: Shard::WHOLE,
            max_rejected_fraction: 0.95,
            sync_interval: Duration::from_secs(1),
        }
    }
}
