//! Models with random weights: for tests, benchmarks and training from scratch.

use burn::tensor::Device;

use super::{Llama, LlamaConfig, tensor_names};
use crate::random_weights::RandomWeights;

impl Llama {
    /// A model with weights from N(0, 0.02²), gains of 1 and biases of 0, as Transformers
    /// initialises it. The same seed gives the same weights everywhere.
    pub fn random(config: &LlamaConfig, seed: u64, device: &Device) -> Self {
        let source = RandomWeights::new(tensor_names(config), seed);
        Self::load(config, &source, device)
            .unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }
}
