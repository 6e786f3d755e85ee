//! The encoder: bidirectional attention and feed-forward layers, each with a preceding norm and a
//! residual connection.

use burn::Tensor;
use burn::module::Module;
use kernels::{Dropout, Segments, Sight};

use super::feed_forward::{FeedForward, feed_forward};
use super::{EPSILON, M2m100Config, attention};
use crate::checkpoint::CheckpointError;
use crate::layers::{Block, LayerNorm, Linear, Loader, MultiHeadAttention, Pass};

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
    /// Reads the tensors whose names begin with `{name}.`.
    pub(crate) fn load(
        config: &M2m100Config,
        loader: &Loader<'_>,
        name: &str,
    ) -> Result<Self, CheckpointError> {
        let width = config.d_model;
        let layer = |index: usize| {
            let prefix = format!("{name}.layers.{index}");
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
            layer_norm: loader.layer_norm(&format!("{name}.layer_norm"), width, EPSILON)?,
        })
    }

    /// Hidden states [T, C] of embedded sources [T, C].
    pub fn forward(&self, embedded: Tensor<2>, sources: &Segments) -> Tensor<2> {
        let layers = self.layers.iter();
        let hidden = layers.fold(embedded, |x, layer| layer.apply(x, sources, [None; 4]));
        self.layer_norm.forward(hidden)
    }
}

impl EncoderLayer {
    /// [T, C] → [T, C]. `masks` are those of the adapters: of queries, keys and values, of the
    /// output of attention, and of the feed-forward layers.
    fn apply(&self, x: Tensor<2>, sources: &Segments, masks: [Option<Dropout>; 4]) -> Tensor<2> {
        let normed = self.self_attn_layer_norm.forward(x.clone());
        let of_attention = [masks[0], masks[1]];
        let x = (self.self_attn).within(normed, x, sources, Sight::Both, of_attention);
        let normed = self.final_layer_norm.forward(x.clone());
        self.feed_forward.forward(normed, x, [masks[2], masks[3]])
    }

    /// Its linear layers, by their names within the layer.
    pub(crate) fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let names =
            ["q_proj", "k_proj", "v_proj", "out_proj"].map(|name| format!("self_attn.{name}"));
        let mut layers = Vec::from(self.self_attn.linears_mut(names));
        layers.push(("fc1".into(), &mut self.feed_forward.fc1));
        layers.push(("fc2".into(), &mut self.feed_forward.fc2));
        layers
    }
}

impl Block for EncoderLayer {
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let masks = [0, 1, 2, 3].map(|place| pass.mask(layer, place));
        self.apply(x, &pass.context.segments, masks)
    }
}
