//! Errors of general adaptation.

use std::path::PathBuf;

use artefacts::ArtefactError;
use corpus::source::SourceError;
use models::LoraTargetError;
use models::ModelDirectoryError;
use models::text_input::TextInputError;

use crate::recipes::ranges::ConfigError;
use crate::run::RunError;
use crate::states::StatesError;
use crate::token_file::TokenFileError;

/// Error returned by general adaptation.
#[derive(Debug, thiserror::Error)]
pub enum AdaptError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The adapters cannot be attached.
    #[error("adapt.training.lora_targets: {0}")]
    Lora(#[from] LoraTargetError),
    /// The text cannot be turned into tokens.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// A file for retrieval cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// States cannot be kept.
    #[error(transparent)]
    States(#[from] StatesError),
    /// A sentence of a file for retrieval cannot be encoded.
    #[error("{}:{line}: {source}", path.display())]
    Sentence {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The problem.
        source: Box<TextInputError>,
    },
    /// The files for retrieval are not line-aligned.
    #[error(
        "{} has {found} lines, {} has {expected}; line N of each must be a translation of line N of \
         the other", path.display(), sentences.display()
    )]
    Unaligned {
        /// The file.
        path: PathBuf,
        /// Its lines.
        found: usize,
        /// The file of the source language.
        sentences: PathBuf,
        /// Its lines.
        expected: usize,
    },
    /// Too few words to fit the projection.
    #[error(
        "adapt.projection = \"least-squares\" needs at least {needed} words that are one token in both \
         vocabularies, but the text has {found}; add text, or set \"random\""
    )]
    FewWords {
        /// Words found.
        found: usize,
        /// Words needed: the encoder's width.
        needed: usize,
    },
    /// The loop failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The adapted model cannot be written.
    #[error(transparent)]
    Save(Box<ModelDirectoryError>),
}

impl From<ModelDirectoryError> for AdaptError {
    fn from(error: ModelDirectoryError) -> Self {
        Self::Save(Box::new(error))
    }
}

impl From<ArtefactError> for AdaptError {
    fn from(error: ArtefactError) -> Self {
        RunError::from(error).into()
    }
}
