//! Errors of loading a metric and of scoring.

use std::path::PathBuf;

use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::tokenizer::TokenizerError;

/// Error returned when a metric cannot be loaded or cannot score.
#[derive(Debug, thiserror::Error)]
pub enum CometError {
    /// The path does not contain a COMET model.
    #[error("{path}: {message}")]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// The expected files.
        message: String,
    },
    /// The hyper-parameters.
    #[error("{path}: {message}")]
    Hparams {
        /// `hparams.yaml`.
        path: PathBuf,
        /// The problem.
        message: String,
    },
    /// The encoder's configuration.
    #[error("{path}: {source}")]
    Config {
        /// `config.json`.
        path: PathBuf,
        /// The problem.
        source: ConfigError,
    },
    /// Weights and other files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The metric needs a reference, and there is none.
    #[error(
        "this metric compares translations with references, and none is given; use a \
         reference-free one such as wmt22-cometkiwi-da"
    )]
    NoReference,
    /// A text is too long for the encoder.
    #[error("sample {index} has more than {max_tokens} pieces, the maximum of the encoder")]
    TooLong {
        /// Index of the sample.
        index: usize,
        /// Maximum sequence length.
        max_tokens: usize,
    },
    /// A text that cannot be divided is too long for the encoder.
    #[error(
        "a single character has more than {max_tokens} pieces, the maximum of the encoder; its \
         tokenizer.json is of another model, or damaged"
    )]
    Indivisible {
        /// Maximum sequence length.
        max_tokens: usize,
    },
}
