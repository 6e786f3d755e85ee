//! A checkpoint of random weights: for tests, benchmarks and training from scratch.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::checkpoint::{Checkpoint, CheckpointError};

/// Weights from N(0, 0.02²), gains of 1 and biases of 0, whatever shape is asked for. The same
/// seed and name give the same values everywhere.
pub struct RandomWeights {
    names: HashSet<String>,
    seed: u64,
}

impl RandomWeights {
    /// A checkpoint of tensors of these names.
    pub fn new(names: impl IntoIterator<Item = String>, seed: u64) -> Self {
        Self {
            names: names.into_iter().collect(),
            seed,
        }
    }
}

impl Checkpoint for RandomWeights {
    fn path(&self) -> PathBuf {
        "random weights".into()
    }

    fn names(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }

    fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let count = shape.iter().product();
        if name.ends_with(".bias") {
            return Ok(vec![0.0; count]);
        }
        if name.ends_with("norm.weight") {
            return Ok(vec![1.0; count]);
        }
        let mut bytes = vec![0; count * 4];
        blake3::Hasher::new_derive_key("xldistill random weights")
            .update(&self.seed.to_le_bytes())
            .update(name.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| normal(u32::from_le_bytes(*bytes)))
            .collect())
    }
}

/// A value near N(0, 0.02²) from 32 random bits: the sum of four bytes.
fn normal(bits: u32) -> f32 {
    let sum: i32 = bits.to_le_bytes().iter().map(|&byte| i32::from(byte)).sum();
    // The sum of four uniform bytes has mean 510 and standard deviation 147.8.
    (sum - 510) as f32 * (0.02 / 147.8)
}
