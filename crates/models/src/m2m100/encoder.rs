//! The encoder: bidirectional attention and feed-forward layers, each behind a norm and beside a
//! residual.

use burn::Tensor;
use burn::module::Module;
use kernels::Segments;

use super::M2m100Config;
use super::attention::Attention;
use super::layers::{FeedForward, LayerNorm, Loader};
use crate::checkpoint::CheckpointError;

/// All layers of the encoder, and the norm after the last.
#[derive(Module, Debug)]
pub struct Encoder {
    /// First to last.
    pub layers: Vec<EncoderLayer>,
    /// Norm of the last layer's output.
    pub layer_norm: LayerNorm,
}

/// One layer of the encoder.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Attention inside the source.
    pub self_attn: Attention,
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
            let norm = |name: &str| loader.norm(&format!("{prefix}.{name}"), width);
            let heads = config.encoder_attention_heads;
            Ok(EncoderLayer {
                self_attn: Attention::load(loader, &format!("{prefix}.self_attn"), width, heads)?,
                self_attn_layer_norm: norm("self_attn_layer_norm")?,
                feed_forward: loader.feed_forward(&prefix, width, config.encoder_ffn_dim)?,
                final_layer_norm: norm("final_layer_norm")?,
            })
        };
        Ok(Self {
            layers: (0..config.encoder_layers)
                .map(layer)
                .collect::<Result<_, _>>()?,
            layer_norm: loader.norm("model.encoder.layer_norm", width)?,
        })
    }

    /// Hidden states [T, C] of embedded sources [T, C].
    pub fn forward(&self, embedded: Tensor<2>, sources: &Segments) -> Tensor<2> {
        let hidden = self.layers.iter().fold(embedded, |x, layer| {
            let normed = layer.self_attn_layer_norm.forward(x.clone());
            let x = layer.self_attn.bidirectional(normed, x, sources);
            let normed = layer.final_layer_norm.forward(x.clone());
            layer.feed_forward.forward(normed, x)
        });
        self.layer_norm.forward(hidden)
    }
}
