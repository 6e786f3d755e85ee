//! Where weights come from: a file format that hands out tensors by their Hugging Face names.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

/// A stored model: named tensors, converted to f32 one at a time when they are asked for.
pub trait Checkpoint: Sync {
    /// The file or directory, for messages.
    fn path(&self) -> PathBuf;
    /// Names of all stored tensors in Hugging Face's naming, in any order.
    fn names(&self) -> Vec<String>;
    /// Whether there is a tensor of this name.
    fn contains(&self, name: &str) -> bool;
    /// The shape of tensor `name`; `None` where there is none, or where only the model knows it.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let _ = name;
        None
    }
    /// The values of tensor `name` in row-major order; its shape must be `shape`.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError>;
}

/// Why a tensor could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The model needs a tensor that is not there.
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
    /// A tensor has another shape than the configuration says.
    #[error(
        "{path}: tensor `{name}` has shape {found:?}, but the configuration asks for {expected:?}"
    )]
    Shape {
        /// File or directory.
        path: PathBuf,
        /// Hugging Face name.
        name: String,
        /// What the configuration asks for.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
    /// Tensors that the architecture has no place for.
    #[error(
        "{path}: {count} tensors have no place in this architecture, the first is `{first}`; \
         the model is of another kind than its configuration says"
    )]
    Unexpected {
        /// File or directory.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Name of the first one in alphabetical order.
        first: String,
    },
    /// A tensor is stored in a number format that is not read.
    #[error(
        "{path}: tensor `{name}` is stored as {format}, which is not read; use a checkpoint in \
         {supported}"
    )]
    Format {
        /// File or directory.
        path: PathBuf,
        /// Name in the file.
        name: String,
        /// The number format found.
        format: String,
        /// Number formats that are read.
        supported: &'static str,
    },
    /// A file could not be read or breaks its format.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, naming the tensor or key.
        message: String,
    },
}

impl CheckpointError {
    /// The file or directory in which something is wrong.
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path, .. }
            | Self::Shape { path, .. }
            | Self::Unexpected { path, .. }
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

/// Fails when `checkpoint` holds tensors outside `expected`. Names that `ignored` accepts
/// (buffers that older exporters stored) are passed over.
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
