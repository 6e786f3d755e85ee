//! Sources of weights: file formats that provide tensors by their Hugging Face names.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

/// A stored model: named tensors, each converted to f32 on request.
pub trait Checkpoint: Sync {
    /// The file or directory, for messages.
    fn path(&self) -> PathBuf;
    /// Names of all stored tensors in Hugging Face's naming, in any order.
    fn names(&self) -> Vec<String>;
    /// Whether a tensor has this name.
    fn contains(&self, name: &str) -> bool;
    /// The shape of tensor `name`; `None` if it does not exist or only the model knows its shape.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let _ = name;
        None
    }
    /// The values of tensor `name` in row-major order; its shape must be `shape`.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError>;
}

/// Error returned when a tensor cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A tensor required by the model is missing.
    #[error(
        "{path}: tensor `{name}` is missing; the file does not hold the model that its \
         configuration describes"
    )]
    Missing {
        /// File or directory.
        path: PathBuf,
        /// Hugging Face name.
        name: String,
    },
    /// The shape of a tensor differs from the configuration.
    #[error(
        "{path}: tensor `{name}` has shape {found:?}, but the configuration requires {expected:?}"
    )]
    Shape {
        /// File or directory.
        path: PathBuf,
        /// Hugging Face name.
        name: String,
        /// Shape required by the configuration.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// Tensors that do not belong to the architecture.
    #[error(
        "{path}: {count} tensors have no place in this architecture, the first is `{first}`; \
         the model is of another kind than its configuration says"
    )]
    Unexpected {
        /// File or directory.
        path: PathBuf,
        /// Number of such tensors.
        count: usize,
        /// Name of the first one in alphabetical order.
        first: String,
    },
    /// The output layer differs from the token table that it is said to share.
    #[error(
        "{path}: `tie_word_embeddings` is true, but `{output}` differs from `{tokens}`; set it to \
         false in config.json if both belong to the model, or remove `{output}`"
    )]
    Untied {
        /// File or directory.
        path: PathBuf,
        /// The output layer.
        output: String,
        /// The token table.
        tokens: String,
    },
    /// A tensor holds values that are no numbers.
    #[error(
        "{path}: tensor `{name}` holds {count} values that are not finite (NaN or infinite), so \
         nothing can be computed with it; the training that wrote it diverged, or the file is damaged"
    )]
    NotFinite {
        /// File or directory.
        path: PathBuf,
        /// Hugging Face name.
        name: String,
        /// Number of such values.
        count: usize,
    },
    /// A tensor is stored in an unsupported number format.
    #[error(
        "{path}: tensor `{name}` is stored as {format}, which is not supported; use a checkpoint in \
         {supported}"
    )]
    Format {
        /// File or directory.
        path: PathBuf,
        /// Name in the file.
        name: String,
        /// The number format found.
        format: String,
        /// Supported number formats.
        supported: &'static str,
    },
    /// A file could not be read or violates its format.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// The problem, with the tensor or key concerned.
        message: String,
    },
}

impl CheckpointError {
    /// The file or directory concerned.
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path, .. }
            | Self::Shape { path, .. }
            | Self::Unexpected { path, .. }
            | Self::Untied { path, .. }
            | Self::NotFinite { path, .. }
            | Self::Format { path, .. }
            | Self::File { path, .. } => path,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::File {
            path: path.into(),
            message: message.to_string(),
        }
    }
}

/// Fails if `checkpoint` contains tensors outside `expected`. Names accepted by `ignored` (buffers
/// stored by older exporters) are skipped.
pub(crate) fn reject_unexpected(
    checkpoint: &dyn Checkpoint,
    expected: &std::collections::HashSet<String>,
    ignored: impl Fn(&str) -> bool,
) -> Result<(), CheckpointError> {
    let mut unexpected: Vec<String> = checkpoint
        .names()
        .into_iter()
        .filter(|name| !expected.contains(name) && !ignored(name))
        .collect();
    unexpected.sort();
    match unexpected.first() {
        None => Ok(()),
        Some(first) => Err(CheckpointError::Unexpected {
            path: checkpoint.path(),
            count: unexpected.len(),
            first: first.clone(),
        }),
    }
}

/// The values of tensor `name`, which fails if they contain NaN or infinity. Whatever is computed
/// with goes through here.
pub(crate) fn finite_tensor(
    checkpoint: &dyn Checkpoint,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, CheckpointError> {
    let values = checkpoint.tensor(name, shape)?;
    let count = (values.par_iter().with_min_len(1 << 16)).filter(|value| !value.is_finite());
    match count.count() {
        0 => Ok(values),
        count => Err(CheckpointError::NotFinite {
            path: checkpoint.path(),
            name: name.to_owned(),
            count,
        }),
    }
}

/// Numbers of N bytes each as f32, in parallel.
pub(crate) fn convert<const N: usize>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> f32 + Sync,
) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers
        .par_iter()
        .with_min_len(1 << 16)
        .map(|bytes| number(*bytes))
        .collect()
}
