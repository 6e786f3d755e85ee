//! MT-LLM (Schmidt et al. 2024, arXiv 2406.12739): an LLM reads the hidden states of a multilingual
//! encoder, projected to its width, in place of token embeddings. Reference: `NLLBLlamaEncoder` of
//! the authors' code.
//!
//! The mix of the encoder's layers is not in the paper (Bandarkar et al. 2025, arXiv 2508.09091).

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, TensorData};
use kernels::Segments;

use crate::decoders::Network;
use crate::layers::{Attention, Linear};
use crate::random_weights::uniform;

/// The part of a stack that can be trained; its encoder is frozen and stays outside.
#[derive(Module, Debug)]
pub struct StackNetwork {
    /// From the encoder's width to the LLM's, with a bias.
    pub up_projection: Linear,
    /// Logits of the share of each of the encoder's states, the embeddings first; without them, the
    /// last states are read alone.
    pub layer_mix: Option<Param<Tensor<1>>>,
    /// The LLM.
    pub decoder: Network,
}

/// The hidden states of the frozen encoder.
#[derive(Debug, Clone)]
pub struct SourceStates {
    /// [T, C] each: the last states, or for a layer mix the embeddings and the states after each
    /// layer.
    pub layers: Vec<Tensor<2>>,
}

impl StackNetwork {
    /// A stack on an encoder of width `source_width`. The projection is drawn as PyTorch initialises
    /// a linear layer, uniform in ±1/√`source_width`; the same seed gives the same one on every
    /// machine. With `mixed_layers`, the number of states of the encoder, they are mixed in equal
    /// shares at first.
    pub fn new(
        decoder: Network,
        source_width: usize,
        mixed_layers: Option<usize>,
        seed: u64,
    ) -> Self {
        let device = decoder.device();
        let width = decoder.config().shape().hidden_size;
        let bound = 1.0 / (source_width as f32).sqrt();
        let draw =
            |part: &str, count| uniform(&format!("up_projection.{part}"), count, bound, seed);
        let weight = draw("weight", width * source_width);
        let weight = TensorData::new(weight, [width, source_width]);
        let bias = TensorData::new(draw("bias", width), [width]);
        Self {
            up_projection: Linear::new(
                Param::from_tensor(Tensor::from_data(weight, &device)),
                Some(Param::from_tensor(Tensor::from_data(bias, &device))),
            ),
            layer_mix: mixed_layers
                .map(|layers| Param::from_tensor(Tensor::zeros([layers], &device))),
            decoder,
        }
    }

    /// Last hidden states [T, C] of the LLM. Differentiable.
    pub fn forward(
        &self,
        source: SourceStates,
        segments: &Segments,
        attention: Attention,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let projected = self.projected(source);
        (self.decoder).forward_embedded(projected, segments, attention, dropout_seed)
    }

    /// What the LLM reads in place of token embeddings: [T, C]. Differentiable.
    ///
    /// # Panics
    /// If `source` has no state, or for a layer mix not one for each share.
    pub fn projected(&self, source: SourceStates) -> Tensor<2> {
        let device = self.up_projection.weight.device();
        let mut layers = source.layers.into_iter().map(|layer| on(layer, &device));
        let mixed = match &self.layer_mix {
            None => layers.next_back().expect("states of the encoder"),
            Some(logits) => {
                let shares = softmax(logits.val(), 0);
                assert_eq!(layers.len(), shares.dims()[0], "states to mix");
                let share = |index| {
                    shares
                        .clone()
                        .slice_dim(0, index..index + 1)
                        .reshape([1, 1])
                };
                let parts = layers
                    .enumerate()
                    .map(|(index, layer)| layer * share(index));
                parts.reduce(|sum, part| sum + part).expect("states to mix")
            }
        };
        self.up_projection.forward(mixed)
    }
}

/// A constant as a tensor of `device`, with or without autodiff.
fn on(constant: Tensor<2>, device: &Device) -> Tensor<2> {
    match device.is_autodiff() {
        true => constant.autodiff(),
        false => constant.without_autodiff(),
    }
}
