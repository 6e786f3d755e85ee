//! Models with random weights: for tests and benchmarks.

use burn::tensor::Device;
use kernels::Precision;

use super::{M2m100, M2m100Config};
use crate::random_weights::RandomWeights;

impl M2m100 {
    /// A packed model with weights from N(0, 0.02²), gains of 1 and biases of 0. The same seed gives
    /// the same weights everywhere.
    pub fn random_packed(
        config: &M2m100Config,
        seed: u64,
        format: Precision,
        device: &Device,
    ) -> Self {
        Self::load_packed(config, &RandomWeights { seed }, format, device)
            .unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }
}
