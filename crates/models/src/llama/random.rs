//! Models with random weights: for tests, benchmarks and training from scratch.

use burn::tensor::Device;

use super::{Llama, LlamaConfig, tensor_names};
use crate::linear::WeightForm;
use crate::random_weights::RandomWeights;

impl Llama {
    /// A model with weights from N(0, 0.02²), gains of 1 and biases of 0, as Transformers
    /// initialises it. The same seed gives the same weights everywhere.
    pub fn random(config: &LlamaConfig, seed: u64, device: &Device) -> Self {
        Self::random_as(config, seed, device, WeightForm::Parameters)
    }

    /// [`Llama::random`] with the blocks' weights in `form` as soon as they are drawn.
    pub fn random_as(config: &LlamaConfig, seed: u64, device: &Device, form: WeightForm) -> Self {
        let source = RandomWeights::new(tensor_names(config), seed);
        let llama = Self::load_as(config, &source, device, form);
        llama.unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }
}
