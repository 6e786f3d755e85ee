//! The learned mixture of an encoder's layers: γ · Σ s_l · h_l, where s is the softmax or sparsemax
//! of one scalar per layer. Reference: `layerwise_attention.py` of unbabel-comet.

use burn::Tensor;
use kernels::Segments;

use super::hparams::Transformation;
use crate::checkpoint::{Checkpoint, CheckpointError, finite_tensor};

/// Weights of the layers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerwiseAttention {
    /// γ · s_l for each layer, the embeddings first.
    weights: Vec<f32>,
    /// Whether each layer is normalised first, over all values of a sequence.
    layer_norm: bool,
}

/// ε of the normalisation.
const EPSILON: f64 = 1e-12;

impl LayerwiseAttention {
    /// Reads the scalars of `layers` layers.
    pub fn load(
        checkpoint: &dyn Checkpoint,
        layers: usize,
        transformation: Transformation,
        layer_norm: bool,
    ) -> Result<Self, CheckpointError> {
        let mut scalars = Vec::with_capacity(layers);
        for layer in 0..layers {
            let name = format!("layerwise_attention.scalar_parameters.{layer}");
            scalars.extend(finite_tensor(checkpoint, &name, &[1])?);
        }
        let gamma = finite_tensor(checkpoint, "layerwise_attention.gamma", &[1])?[0];
        let shares = match transformation {
            Transformation::Softmax => softmax(&scalars),
            Transformation::Sparsemax => sparsemax(&scalars),
        };
        Ok(Self {
            weights: shares.into_iter().map(|share| gamma * share).collect(),
            layer_norm,
        })
    }

    /// Only layer `layer`, unchanged.
    pub fn single(layer: usize) -> Self {
        let mut weights = vec![0.0; layer + 1];
        weights[layer] = 1.0;
        Self {
            weights,
            layer_norm: false,
        }
    }

    /// The last layer with a weight; blocks above it need not be computed.
    pub fn last_layer(&self) -> usize {
        self.weights
            .iter()
            .rposition(|&weight| weight != 0.0)
            .unwrap_or(0)
    }

    /// The contribution of layer `layer` to the mixture: `pool` of its hidden states [T, C],
    /// normalised if the mixture requires it, times its weight; `None` if the weight is 0. `pool`
    /// must be linear and must preserve constants.
    pub fn share(
        &self,
        layer: usize,
        hidden: &Tensor<2>,
        segments: &Segments,
        pool: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Option<Tensor<2>> {
        let weight = *self.weights.get(layer).filter(|&&weight| weight != 0.0)?;
        if !self.layer_norm {
            return Some(pool(hidden.clone()) * weight);
        }
        let normalised: Vec<Tensor<2>> = segments
            .iter()
            .filter(|range| !range.is_empty())
            .map(|range| {
                let part = hidden.clone().slice_dim(0, range);
                let mean = part.clone().mean().unsqueeze::<2>();
                let centred = part - mean;
                let variance = centred.clone().square().mean().unsqueeze::<2>();
                centred / (variance + EPSILON).sqrt()
            })
            .collect();
        Some(pool(Tensor::cat(normalised, 0)) * weight)
    }
}

fn softmax(scalars: &[f32]) -> Vec<f32> {
    let largest = scalars.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scalars.iter().map(|z| (z - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The nearest point of the probability simplex (Martins and Astudillo 2016, arXiv 1602.02068).
fn sparsemax(scalars: &[f32]) -> Vec<f32> {
    let mut sorted = scalars.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut threshold) = (0.0, 0.0);
    for (index, z) in sorted.into_iter().enumerate() {
        sum += z;
        let count = (index + 1) as f32;
        if 1.0 + count * z > sum {
            threshold = (sum - 1.0) / count;
        }
    }
    scalars.iter().map(|z| (z - threshold).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparsemax_is_a_distribution_with_zeros() {
        let shares = sparsemax(&[0.9, -1.0, 0.5, -0.2]);
        let expected = [0.7, 0.0, 0.3, 0.0];
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
        assert_eq!(sparsemax(&[0.0; 4]), [0.25; 4]);
    }

    #[test]
    fn layers_above_the_last_that_counts_are_not_needed() {
        let mixture = LayerwiseAttention {
            weights: vec![0.0, 0.4, 0.6, 0.0],
            layer_norm: false,
        };
        assert_eq!(mixture.last_layer(), 2);
        assert_eq!(LayerwiseAttention::single(3).last_layer(), 3);
    }
}
