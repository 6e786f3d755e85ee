//! Models with random weights: for tests and benchmarks.

use burn::tensor::Device;
use kernels::WeightFormat;

use super::{M2m100, M2m100Config, tensor_names};
use crate::random_weights::RandomWeights;

impl M2m100 {
    /// A packed model with weights from N(0, 0.02²), gains of 1 and biases of 0. The same seed gives
    /// the same weights everywhere.
    pub fn random_packed(
        config: &M2m100Config,
        seed: u64,
        format: WeightFormat,
        device: &Device,
    ) -> Self {
        let source = RandomWeights::new(tensor_names(config), seed);
        Self::load_packed(config, &source, format, device)
            .unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }
}
