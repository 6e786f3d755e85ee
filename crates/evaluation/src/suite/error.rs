//! What can stop an evaluation.

use std::path::{Path, PathBuf};

use corpus::seam::EngineError;

use crate::metric::tokenizer::TokenizerError;

/// Why an evaluation stopped.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The model could not answer or score.
    #[error("{task}: {source}")]
    Engine {
        /// The task.
        task: String,
        /// What the engine said.
        source: EngineError,
    },
    /// BLEU's tokenizer is missing.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// There is nothing to evaluate on.
    #[error("no held-out material: name questions, pairs or texts under [evaluate]")]
    NoMaterial,
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A second evaluation in the same folder.
    #[error("another evaluation is using {}; wait for it to end", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
}

impl EvaluateError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| EvaluateError::Io { path, source }
    }
}
