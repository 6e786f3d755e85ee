//! Errors of the recipes that train on plain text.

use artefacts::ArtefactError;
use models::LoraTargetError;
use models::tokenizer::TokenizerError;

use super::fine_tune::SaveError;
use super::ranges::ConfigError;
use crate::run::RunError;
use crate::token_file::TokenFileError;

/// Error returned by a recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The adapters cannot be attached.
    #[error("{section}.lora_targets: {source}")]
    Lora {
        /// The section of the config.
        section: String,
        /// The problem.
        source: LoraTargetError,
    },
    /// The tokens of the text.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The loop failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The trained model cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl From<ArtefactError> for RecipeError {
    fn from(error: ArtefactError) -> Self {
        RunError::from(error).into()
    }
}
