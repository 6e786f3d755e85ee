//! Names of tensors in Hugging Face and GGUF files, and the differences in layout.

use std::path::PathBuf;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::gguf::Gguf;

/// The tensors of an architecture. Each row is a module with its name in Hugging Face checkpoints
/// and its name in GGUF; parameters are its `.weight` and `.bias` in both.
#[derive(Debug, Clone)]
pub(crate) struct TensorNames {
    /// Modules outside the blocks.
    pub outer: &'static [(&'static str, &'static str)],
    /// Prefix of the number of a block in Hugging Face's names; GGUF uses `blk.`.
    pub blocks: &'static str,
    /// Modules in a block.
    pub block: &'static [(&'static str, &'static str)],
    /// The conversion that llama.cpp's converter applies to a tensor, given its Hugging Face name.
    pub converted: fn(name: &str) -> Conversion,
}

/// The difference between a tensor in a GGUF file and in Hugging Face's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// No difference.
    Same,
    /// Rows of each query head alternate between its halves: llama.cpp rotates neighbouring
    /// dimensions in models with the architecture `llama`.
    InterleavedQueries,
    /// The same for keys.
    InterleavedKeys,
    /// The matrix is transposed.
    Transposed,
    /// 1 is added.
    PlusOne,
}

impl TensorNames {
    /// `model.layers.3.mlp.up_proj.weight` → `blk.3.ffn_up.weight`.
    pub(crate) fn gguf(&self, name: &str) -> Option<String> {
        let (module, part) = name.rsplit_once('.')?;
        if let Some((index, module)) = module
            .strip_prefix(self.blocks)
            .and_then(|rest| rest.split_once('.'))
        {
            let (_, stored) = self.block.iter().find(|(theirs, _)| *theirs == module)?;
            return Some(format!("blk.{index}.{stored}.{part}"));
        }
        let (_, stored) = self.outer.iter().find(|(theirs, _)| *theirs == module)?;
        Some(format!("{stored}.{part}"))
    }

    /// The inverse of [`TensorNames::gguf`]; `None` for a tensor that does not belong to the
    /// architecture.
    fn hugging_face(&self, name: &str) -> Option<String> {
        let (module, part) = name.rsplit_once('.')?;
        if let Some(rest) = module.strip_prefix("blk.") {
            let (index, module) = rest.split_once('.')?;
            let (theirs, _) = self.block.iter().find(|(_, stored)| *stored == module)?;
            return Some(format!("{}{index}.{theirs}.{part}", self.blocks));
        }
        let (theirs, _) = self.outer.iter().find(|(_, stored)| *stored == module)?;
        Some(format!("{theirs}.{part}"))
    }
}

impl Conversion {
    /// The shape in a GGUF file of a tensor with this shape in a Hugging Face checkpoint.
    pub(crate) fn shape(self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if self == Self::Transposed {
            shape.reverse();
        }
        shape
    }

    /// The values of a GGUF file for those of a Hugging Face checkpoint with `rows` rows, given the
    /// number of query heads, and of key and value heads.
    pub(crate) fn applied(self, values: Vec<f32>, rows: usize, heads: [usize; 2]) -> Vec<f32> {
        match self {
            Self::Same => values,
            Self::InterleavedQueries => interleaved(&values, rows, heads[0]),
            Self::InterleavedKeys => interleaved(&values, rows, heads[1]),
            Self::Transposed => transposed(&values, values.len() / rows),
            Self::PlusOne => values.into_iter().map(|value| value + 1.0).collect(),
        }
    }
}

/// Rotary frequency divisors, which are part of the configuration here.
pub(crate) const ROPE_DIVISORS: &str = "rope_freqs.weight";

/// The tensors of a GGUF file in the form of Hugging Face checkpoints.
#[derive(Debug)]
pub(crate) struct GgufCheckpoint<'a> {
    pub file: &'a Gguf,
    pub names: TensorNames,
    /// Number of query heads, and of key and value heads.
    pub heads: [usize; 2],
}

impl Checkpoint for GgufCheckpoint<'_> {
    fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }

    fn names(&self) -> Vec<String> {
        let stored = self.file.tensors().keys();
        stored
            .filter(|name| *name != ROPE_DIVISORS)
            .map(|name| self.names.hugging_face(name).unwrap_or(name.clone()))
            .collect()
    }

    fn contains(&self, name: &str) -> bool {
        let stored = self.names.gguf(name);
        stored.is_some_and(|name| self.file.tensors().contains_key(&name))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let stored = self.names.gguf(name);
        let info = stored
            .and_then(|name| self.file.tensors().get(&name))
            .ok_or_else(|| CheckpointError::Missing {
                path: self.path(),
                name: name.to_owned(),
            })?;
        let conversion = (self.names.converted)(name);
        let expected = conversion.shape(shape);
        if info.shape != expected {
            return Err(CheckpointError::Shape {
                path: self.path(),
                name: name.to_owned(),
                expected,
                found: info.shape.clone(),
            });
        }
        let mut values = self.file.values(info);
        let [heads, kv_heads] = self.heads;
        Ok(match conversion {
            Conversion::Same => values,
            Conversion::InterleavedQueries => half_split(&values, shape[0], heads),
            Conversion::InterleavedKeys => half_split(&values, shape[0], kv_heads),
            Conversion::Transposed => transposed(&values, shape[0]),
            Conversion::PlusOne => {
                values.iter_mut().for_each(|value| *value -= 1.0);
                values
            }
        })
    }
}

/// Row 2b + a of each head moves to row a·D/2 + b.
fn half_split(values: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    let width = values.len() / rows;
    let head_dim = rows / heads;
    let mut reordered = Vec::with_capacity(values.len());
    for head in 0..heads {
        for row in 0..head_dim {
            let (a, b) = (row / (head_dim / 2), row % (head_dim / 2));
            let start = (head * head_dim + 2 * b + a) * width;
            reordered.extend_from_slice(&values[start..start + width]);
        }
    }
    reordered
}

/// The inverse of [`half_split`]: row a·D/2 + b of each head moves to row 2b + a.
fn interleaved(values: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    let width = values.len() / rows;
    let head_dim = rows / heads;
    let mut reordered = Vec::with_capacity(values.len());
    for head in 0..heads {
        for row in 0..head_dim {
            let (b, a) = (row / 2, row % 2);
            let start = (head * head_dim + a * (head_dim / 2) + b) * width;
            reordered.extend_from_slice(&values[start..start + width]);
        }
    }
    reordered
}

/// Rows of `columns` values as columns.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| values[column..].iter().step_by(columns).copied())
        .collect()
}
