//! Why a model directory cannot be written or read.

use std::path::{Path, PathBuf};

use crate::adapter_directory::AdapterError;
use crate::checkpoint::CheckpointError;
use crate::export::ExportError;
use crate::language_model::LoadError;

/// Error returned when a model directory cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ModelDirectoryError {
    /// There is no description.
    #[error(
        "{0} does not exist; name the directory of a trained model, as `distill` or `classify` \
         writes it"
    )]
    Missing(PathBuf),
    /// The description cannot be read.
    #[error("{path}: {message}")]
    Description {
        /// `xldistill.json`.
        path: PathBuf,
        /// The problem.
        message: String,
    },
    /// There are no heads.
    #[error("{0} has no task: it was adapted but not trained on a task; run `distill` on it")]
    NoTasks(PathBuf),
    /// A model that the directory refers to is not there.
    #[error(
        "{file}: `{key}.path` is {path}, which is not on this disk; set it to the path of the model"
    )]
    Moved {
        /// `xldistill.json`.
        file: PathBuf,
        /// `llm` or `encoder`.
        key: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// A model that the directory refers to is another.
    #[error(
        "{file} was trained with revision {expected} of its {key}, but {path} is revision {found}; \
         set `{key}.path` to the model it was trained with"
    )]
    Revision {
        /// `xldistill.json`.
        file: PathBuf,
        /// `llm` or `encoder`.
        key: &'static str,
        /// The model's path.
        path: PathBuf,
        /// The revision it was trained with.
        expected: String,
        /// The revision of the model.
        found: String,
    },
    /// The projection does not fit between the models.
    #[error(
        "{projection} projects {found:?} (from the encoder's width to the LLM's), but encoder \
         {encoder} has width {source_width} and LLM {llm} has width {target_width}"
    )]
    Width {
        /// `projection.safetensors`.
        projection: PathBuf,
        /// Widths of the projection: encoder, LLM.
        found: [usize; 2],
        /// The encoder's path.
        encoder: PathBuf,
        /// Its width.
        source_width: usize,
        /// The LLM's path.
        llm: PathBuf,
        /// Its width.
        target_width: usize,
    },
    /// A network of another kind than its backbone was to be saved.
    #[error("the network is not that of the backbone")]
    Mismatch,
    /// The LLM or encoder.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// Files to be written.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl ModelDirectoryError {
    pub(super) fn file(path: &Path, error: impl ToString) -> Self {
        CheckpointError::file(path, error).into()
    }
}
