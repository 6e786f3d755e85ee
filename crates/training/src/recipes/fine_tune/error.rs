//! Errors of fine-tuning.

use artefacts::ArtefactError;
use models::export::ExportError;
use models::{LoadError, LoraTargetError};

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
    /// The model before training cannot be read again, to interpolate with it.
    #[error("train.interpolate: the model before training cannot be read again: {0}")]
    Before(LoadError),
    /// There is nothing to choose the checkpoint by.
    #[error(
        "train.choose_by = \"{0}\" needs held-out questions with answers in target languages that \
         [identify] knows, and there are none: raise mix.held_out_fraction, or set choose_by = \"loss\""
    )]
    NothingToChooseBy(&'static str),
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
