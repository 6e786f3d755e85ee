//! A checkpoint of random weights, for tests, benchmarks and training from scratch.

use std::path::PathBuf;

use crate::checkpoint::{Checkpoint, CheckpointError};

/// Weights from N(0, 0.02²), gains of 1 and biases of 0, of any requested shape. The same seed and
/// name give the same values on every machine.
pub struct RandomWeights {
    pub seed: u64,
}

impl Checkpoint for RandomWeights {
    fn path(&self) -> PathBuf {
        "random weights".into()
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn contains(&self, _: &str) -> bool {
        true
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let count = shape.iter().product();
        if name.ends_with(".bias") {
            return Ok(vec![0.0; count]);
        }
        if shape.len() == 1 {
            return Ok(vec![1.0; count]);
        }
        Ok(bits(
            "xldistill random weights",
            name,
            count,
            self.seed,
            normal,
        ))
    }
}

/// Uniform values in ±`bound`. The same seed and name give the same values on every machine.
pub fn uniform(name: &str, count: usize, bound: f32, seed: u64) -> Vec<f32> {
    bits("xldistill uniform weights", name, count, seed, |bits| {
        // An f32 has no more than 24 bits.
        let share = (bits >> 8) as f32 / (1 << 24) as f32;
        (2.0 * share - 1.0) * bound
    })
}

/// `count` numbers that `value` computes from 32 random bits each.
fn bits(
    purpose: &str,
    name: &str,
    count: usize,
    seed: u64,
    value: impl Fn(u32) -> f32,
) -> Vec<f32> {
    let mut bytes = vec![0; count * 4];
    blake3::Hasher::new_derive_key(purpose)
        .update(&seed.to_le_bytes())
        .update(name.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| value(u32::from_le_bytes(*word))).collect()
}

/// A value near N(0, 0.02²) from 32 random bits: the sum of four bytes.
fn normal(bits: u32) -> f32 {
    let sum: i32 = bits.to_le_bytes().iter().map(|&byte| i32::from(byte)).sum();
    // The sum of four uniform bytes has mean 510 and standard deviation 147.8.
    (sum - 510) as f32 * (0.02 / 147.8)
}
