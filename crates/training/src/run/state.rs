//! Progress of a run between two steps.

use artefacts::Provenance;
use artefacts::training::HeldOutLoss;
use serde::{Deserialize, Serialize};

use super::early_stopping::EarlyStopping;

/// Progress of a run. Keys follow Hugging Face's `trainer_state.json` where it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// Number of optimiser steps done.
    pub global_step: usize,
    /// Number of optimiser steps of the whole schedule.
    pub max_steps: usize,
    /// Passes over the training set done, as a fraction.
    pub epoch: f64,
    /// Lowest criterion so far: the held-out loss, unless the recipe has another one.
    pub best_metric: Option<f64>,
    /// Name of the checkpoint with it.
    pub best_model_checkpoint: Option<String>,
    /// State of early stopping.
    pub early_stopping: EarlyStopping,
    /// Held-out losses before the first step.
    pub before: Option<HeldOutLoss>,
    /// Held-out losses at `best_model_checkpoint`.
    pub best: Option<HeldOutLoss>,
    /// Number of tokens that went through the network in training.
    pub tokens: u64,
    /// Seconds of training, summed over all resumed parts.
    pub seconds: f64,
    /// Everything that determines the run's result.
    pub provenance: Provenance,
}

impl TrainerState {
    /// The state before the first step.
    pub fn new(max_steps: usize, provenance: Provenance) -> Self {
        Self {
            global_step: 0,
            max_steps,
            epoch: 0.0,
            best_metric: None,
            best_model_checkpoint: None,
            early_stopping: EarlyStopping::default(),
            before: None,
            best: None,
            tokens: 0,
            seconds: 0.0,
            provenance,
        }
    }
}
