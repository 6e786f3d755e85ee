//! The estimator: linear layers with activations in between. Reference: `feedforward.py` of
//! unbabel-comet.

use burn::Tensor;
use burn::tensor::{Device, activation};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::layers::{Linear, Loader};

/// Hidden layers and a single output.
#[derive(Debug, Clone)]
pub(super) struct FeedForward {
    layers: Vec<Linear>,
    activation: Squash,
    final_activation: Option<Squash>,
}

/// Activations by their name in `torch.nn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Squash {
    Tanh,
    Sigmoid,
    Identity,
}

impl Squash {
    /// The activation that unbabel-comet builds for `name`.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "tanh" => Some(Self::Tanh),
            "sigmoid" => Some(Self::Sigmoid),
            "identity" => Some(Self::Identity),
            _ => None,
        }
    }

    fn apply(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tanh => x.tanh(),
            Self::Sigmoid => activation::sigmoid(x),
            Self::Identity => x,
        }
    }
}

/// Layers, activations and dropout form one list in the reference, and names count all three.
const MODULES_PER_LAYER: usize = 3;

impl FeedForward {
    /// Reads the layers from `inputs` features through `hidden_sizes` to one score.
    pub fn load(
        checkpoint: &dyn Checkpoint,
        inputs: usize,
        hidden_sizes: &[usize],
        activation: Squash,
        final_activation: Option<Squash>,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let as_read = &mut |_: &str, layer: Linear| Ok(layer);
        let loader = Loader::new(checkpoint, device, as_read);
        let mut layers = Vec::new();
        let mut width = inputs;
        for (index, &size) in hidden_sizes.iter().chain(&[1]).enumerate() {
            let name = format!("estimator.ff.{}", index * MODULES_PER_LAYER);
            layers.push(loader.linear(&name, [size, width], true)?);
            width = size;
        }
        Ok(Self {
            layers,
            activation,
            final_activation,
        })
    }

    /// Scores of N feature vectors [N, inputs].
    pub fn forward(&self, features: Tensor<2>) -> Vec<f32> {
        let last = self.layers.len() - 1;
        let mut x = features;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if index < last {
                x = self.activation.apply(x);
            }
        }
        if let Some(activation) = self.final_activation {
            x = activation.apply(x);
        }
        x.into_data().iter::<f32>().collect()
    }
}
