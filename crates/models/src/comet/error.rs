//! Why a metric cannot be loaded or cannot score.

use std::path::PathBuf;

use crate::checkpoint::CheckpointError;
use crate::llama::ConfigError;
use crate::tokenizer::TokenizerError;

/// Why a metric could not be loaded or could not score.
#[derive(Debug, thiserror::Error)]
pub enum CometError {
    /// Nothing at the path is a COMET model.
    #[error("{path}: {message}")]
    NotAModel {
        /// What the user named.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
    /// The hyper-parameters.
    #[error("{path}: {message}")]
    Hparams {
        /// `hparams.yaml`.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The encoder's configuration.
    #[error("{path}: {source}")]
    Config {
        /// `config.json`.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// Weights and other files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The metric compares with a reference, and there is none.
    #[error(
        "this metric compares translations with references, and none is given; use a \
         reference-free one such as wmt22-cometkiwi-da"
    )]
    NoReference,
    /// A text is longer than the encoder reads.
    #[error("sample {index} has more pieces than the {max_tokens} that the encoder reads")]
    TooLong {
        /// Place among the samples.
        index: usize,
        /// Longest sequence.
        max_tokens: usize,
    },
}
