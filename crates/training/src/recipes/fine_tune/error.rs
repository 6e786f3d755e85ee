//! Errors of fine-tuning.

use artefacts::ArtefactError;
use models::LoraTargetError;
use models::export::ExportError;

use super::config::ConfigError;
use super::encode::EncodeError;
use super::saved_model::SaveError;
use crate::optimizer::ParameterFileError;
use crate::run::RunError;
use crate::states::StatesError;

/// Error returned by fine-tuning.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The adapters cannot be attached.
    #[error("train.lora_targets: {0}")]
    Lora(#[from] LoraTargetError),
    /// The examples cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The teacher's distributions cannot be kept or read.
    #[error(transparent)]
    Teacher(#[from] StatesError),
    /// The loop failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The trained model cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl From<ArtefactError> for TrainError {
    fn from(error: ArtefactError) -> Self {
        RunError::from(error).into()
    }
}

impl From<ParameterFileError> for TrainError {
    fn from(error: ParameterFileError) -> Self {
        RunError::from(error).into()
    }
}

impl From<ExportError> for TrainError {
    fn from(error: ExportError) -> Self {
        SaveError::from(error).into()
    }
}
