//! The decoder: causal attention, attention to the source, and feed-forward layers, each with a
//! preceding norm and a residual connection.

use burn::Tensor;
use burn::module::Module;
use kernels::{BeamCache, KeyValues, Segments, Sight, Slot};

use super::feed_forward::{FeedForward, feed_forward};
use super::{EPSILON, Encoded, M2m100Config, attention};
use crate::checkpoint::CheckpointError;
use crate::layers::{LayerNorm, Loader, MultiHeadAttention};

/// All layers of the decoder, and the norm after the last.
#[derive(Module, Debug)]
pub struct Decoder {
    /// The layers, first to last.
    pub layers: Vec<DecoderLayer>,
    /// Norm of the last layer's output.
    pub layer_norm: LayerNorm,
}

/// One layer of the decoder.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Self-attention of the target.
    pub self_attn: MultiHeadAttention,
    /// Norm before it.
    pub self_attn_layer_norm: LayerNorm,
    /// Attention to the source.
    pub encoder_attn: MultiHeadAttention,
    /// Norm before it.
    pub encoder_attn_layer_norm: LayerNorm,
    /// Feed-forward layers `fc1` and `fc2`.
    pub feed_forward: FeedForward,
    /// Norm before them.
    pub final_layer_norm: LayerNorm,
}

impl Decoder {
    pub(super) fn load(
        config: &M2m100Config,
        loader: &Loader<'_>,
    ) -> Result<Self, CheckpointError> {
        let width = config.d_model;
        let layer = |index: usize| {
            let prefix = format!("model.decoder.layers.{index}");
            let norm = |name: &str| loader.layer_norm(&format!("{prefix}.{name}"), width, EPSILON);
            let attention = |name: &str| {
                let heads = config.decoder_attention_heads;
                attention(loader, &format!("{prefix}.{name}"), width, heads)
            };
            Ok(DecoderLayer {
                self_attn: attention("self_attn")?,
                self_attn_layer_norm: norm("self_attn_layer_norm")?,
                encoder_attn: attention("encoder_attn")?,
                encoder_attn_layer_norm: norm("encoder_attn_layer_norm")?,
                feed_forward: feed_forward(loader, &prefix, width, config.decoder_ffn_dim)?,
                final_layer_norm: norm("final_layer_norm")?,
            })
        };
        Ok(Self {
            layers: (0..config.decoder_layers)
                .map(layer)
                .collect::<Result<_, _>>()?,
            layer_norm: loader.layer_norm("model.decoder.layer_norm", width, EPSILON)?,
        })
    }

    /// Keys and values of each source, for every layer, from the encoder's hidden states [T, C].
    pub fn encoded(&self, hidden: Tensor<2>, sources: &Segments) -> Vec<Encoded> {
        let mut encoded = vec![Encoded { layers: Vec::new() }; sources.len()];
        for layer in &self.layers {
            let of_layer = layer.encoder_attn.key_values(hidden.clone(), sources);
            for (source, key_values) in encoded.iter_mut().zip(of_layer) {
                source.layers.push(key_values);
            }
        }
        encoded
    }

    /// Hidden states [T, C] of embedded targets [T, C]; target i attends to `sources[i]`.
    pub fn forward(
        &self,
        embedded: Tensor<2>,
        targets: &Segments,
        sources: &[&Encoded],
    ) -> Tensor<2> {
        self.stack(embedded, targets, sources, |layer, _, normed, x| {
            (layer.self_attn).within(normed, x, targets, Sight::Causal, [None; 2])
        })
    }

    /// [`Decoder::forward`] of one more token for each beam.
    pub fn forward_beams(
        &self,
        embedded: Tensor<2>,
        beams: &Segments,
        sources: &[&Encoded],
        cache: &mut BeamCache,
        slots: &[Slot],
    ) -> Tensor<2> {
        self.stack(embedded, beams, sources, |layer, index, normed, x| {
            layer.self_attn.beams(normed, x, beams, cache, index, slots)
        })
    }

    /// Runs all layers; `attend` computes the self-attention for (layer, index, input, residual).
    fn stack(
        &self,
        embedded: Tensor<2>,
        segments: &Segments,
        sources: &[&Encoded],
        mut attend: impl FnMut(&DecoderLayer, usize, Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut x = embedded;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = layer.self_attn_layer_norm.forward(x.clone());
            x = attend(layer, index, normed, x);
            let normed = layer.encoder_attn_layer_norm.forward(x.clone());
            let keys: Vec<&KeyValues> = sources.iter().map(|s| &s.layers[index]).collect();
            x = layer.encoder_attn.cross(normed, x, segments, &keys);
            let normed = layer.final_layer_norm.forward(x.clone());
            x = layer.feed_forward.forward(normed, x, [None; 2]);
        }
        self.layer_norm.forward(x)
    }
}
