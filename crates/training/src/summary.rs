//! What a finished run did: `manifest.json`, written last.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, HeldOutLoss};
use crate::fingerprint::Fingerprint;

/// Name of the manifest in the run's `train/` folder. A folder without one is unfinished.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSummary {
    /// Optimiser steps done.
    pub steps: usize,
    /// Optimiser steps that were planned; more than `steps` where training ended early.
    pub planned_steps: usize,
    /// Passes over the training set done, as a fraction.
    pub epochs: f64,
    /// Step of the exported parameters.
    pub best_step: usize,
    /// Held-out loss of the base model; `None` without held-out examples.
    pub before: Option<HeldOutLoss>,
    /// Held-out loss of the exported parameters.
    pub after: Option<HeldOutLoss>,
    /// Examples trained on.
    pub training_examples: usize,
    /// Examples held out.
    pub held_out_examples: usize,
    /// Training examples left out for their length.
    pub dropped_examples: usize,
    /// Training examples whose answers were cut.
    pub truncated_examples: usize,
    /// Parameters trained, in scalars.
    pub trainable_parameters: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Tokens that went through the model, over all epochs.
    pub tokens: u64,
    /// Seconds of training, evaluations included, over all resumed parts.
    pub seconds: f64,
    /// `tokens / seconds`.
    pub tokens_per_second: f64,
    /// What was found suspicious before training.
    pub warnings: Vec<String>,
}

impl fmt::Display for TrainSummary {
    /// One line: steps, held-out loss before and after, speed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps over {:.1} epochs", self.steps, self.epochs)?;
        if self.steps < self.planned_steps {
            write!(f, " (stopped early, {} were planned)", self.planned_steps)?;
        }
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            write!(
                f,
                ", held-out loss {:.3} → {:.3} at step {}",
                before.loss, after.loss, self.best_step
            )?;
        }
        write!(f, ", {:.0} tokens/s", self.tokens_per_second)
    }
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `train`.
    pub stage: String,
    /// Version of xldistill.
    pub xldistill_version: String,
    /// Configuration and hashes of the inputs.
    pub fingerprint: Fingerprint,
    /// What was done.
    pub summary: TrainSummary,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub finished_at: f64,
}

impl Manifest {
    /// The manifest in `folder`; `None` where training has not finished.
    pub fn read(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(MANIFEST_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text)
                    .map(Some)
                    .map_err(|source| CheckpointError::State {
                        path: path.display().to_string(),
                        source,
                    })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CheckpointError::Io {
                path: path.display().to_string(),
                source,
            }),
        }
    }

    /// Puts the manifest into `folder`, whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(MANIFEST_FILE);
        let temporary = folder.join(format!("{MANIFEST_FILE}.partial"));
        let text = serde_json::to_string_pretty(self).map_err(|source| CheckpointError::State {
            path: path.display().to_string(),
            source,
        })?;
        fs::write(&temporary, text + "\n")
            .and_then(|()| fs::File::open(&temporary)?.sync_all())
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| CheckpointError::Io {
                path: path.display().to_string(),
                source,
            })
    }
}
