//! Why fine-tuning fails.

use std::io;

use models::export::ExportError;
use models::llama::LoraTargetError;

use crate::checkpoint::CheckpointError;
use crate::config::ConfigError;
use crate::encode::EncodeError;
use crate::folder_lock::LockError;
use crate::parameters::ParameterFileError;
use crate::saved_model::SaveError;

/// Why fine-tuning failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The adapters cannot be attached.
    #[error("train.lora_targets: {0}")]
    Lora(#[from] LoraTargetError),
    /// The examples cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A checkpoint cannot be written or resumed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Parameters of a checkpoint cannot be written or read.
    #[error(transparent)]
    Parameters(#[from] ParameterFileError),
    /// Another process trains here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The metrics cannot be written.
    #[error("{folder}: cannot write metrics: {source}")]
    Metrics {
        /// The training folder.
        folder: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The loss or its gradient is not finite any more.
    #[error(
        "training diverged at step {step}: loss {loss}, gradient norm {grad_norm}; lower \
         train.learning_rate (it was {learning_rate:.2e}) and start again from the last checkpoint"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// Its gradient's norm.
        grad_norm: f64,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// A checkpoint's model cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The trained model cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}
