//! The encoder: bidirectional attention and feed-forward layers, each with a preceding norm and a
//! residual connection.

use burn::Tensor;
use burn::module::Module;
use kernels::{Segments, Sight};

use super::feed_forward::{FeedForward, feed_forward};
use super::{EPSILON, M2m100Config, attention};
use crate::checkpoint::CheckpointError;
use crate::layers::{LayerNorm, Loader, MultiHeadAttention};

/// All layers of the encoder, and the norm after the last.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The layers, first to last.
    pub layers: Vec<EncoderLayer>,
    /// Norm of the last layer's output.
    pub layer_norm: LayerNorm,
}

/// One layer of the encoder.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Self-attention of the source.
    pub self_attn: MultiHeadAttention,
    /// Norm before it.
    pub self_attn_layer_norm: LayerNorm,
    /// Feed-forward layers `fc1` and `fc2`.
    pub feed_forward: FeedForward,
    /// Norm before them.
    pub final_layer_norm: LayerNorm,
}

impl Encoder {
    pub(super) fn load(
        config: &M2m100Config,
        loader: &Loader<'_>,
    ) -> Result<Self, CheckpointError> {
        let width = config.d_model;
        let layer = |index: usize| {
            let prefix = format!("model.encoder.layers.{index}");
            let norm = |name: &str| loader.layer_norm(&format!("{prefix}.{name}"), width, EPSILON);
            let heads = config.encoder_attention_heads;
            Ok(EncoderLayer {
                self_attn: attention(loader, &format!("{prefix}.self_attn"), width, heads)?,
                self_attn_layer_norm: norm("self_attn_layer_norm")?,
                feed_forward: feed_forward(loader, &prefix, width, config.encoder_ffn_dim)?,
                final_layer_norm: norm("final_layer_norm")?,
            })
        };
        Ok(Self {
            layers: (0..config.encoder_layers)
                .map(layer)
                .collect::<Result<_, _>>()?,
            layer_norm: loader.layer_norm("model.encoder.layer_norm", width, EPSILON)?,
        })
    }

    /// Hidden states [T, C] of embedded sources [T, C].
    pub fn forward(&self, embedded: Tensor<2>, sources: &Segments) -> Tensor<2> {
        let hidden = self.layers.iter().fold(embedded, |x, layer| {
            let normed = layer.self_attn_layer_norm.forward(x.clone());
            let x = layer.self_attn.within(normed, x, sources, Sight::Both);
            let normed = layer.final_layer_norm.forward(x.clone());
            layer.feed_forward.forward(normed, x)
        });
        self.layer_norm.forward(hidden)
    }
}
