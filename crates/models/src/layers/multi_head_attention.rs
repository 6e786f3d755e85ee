//! Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762) of encoders and of
//! encoder-decoders: every head has its own keys, and positions are part of the input.

use burn::Tensor;
use burn::module::Module;
use kernels::{BeamCache, Dropout, Input, KeyValues, Segments, Sight, Slot};

use super::{Linear, Loader};
use crate::checkpoint::CheckpointError;

/// The four linear layers [C, C] around attention.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// Queries.
    pub q_proj: Linear,
    /// Keys.
    pub k_proj: Linear,
    /// Values.
    pub v_proj: Linear,
    /// Output.
    pub out_proj: Linear,
    /// H.
    pub heads: usize,
}

impl MultiHeadAttention {
    /// Reads the layers with these names: queries, keys, values and output.
    pub(crate) fn load(
        loader: &Loader<'_>,
        names: [String; 4],
        width: usize,
        heads: usize,
    ) -> Result<Self, CheckpointError> {
        let [q_proj, k_proj, v_proj, out_proj] =
            names.map(|name| loader.linear(&name, [width, width], true));
        Ok(Self {
            q_proj: q_proj?,
            k_proj: k_proj?,
            v_proj: v_proj?,
            out_proj: out_proj?,
            heads,
        })
    }

    /// Queries, keys and values of the same tokens: [T, H, D] each.
    fn projections(&self, x: Tensor<2>, mask: Option<Dropout>) -> [Tensor<3>; 3] {
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        Linear::each(layers, Input::Plain(x), mask)
            .outputs
            .map(|projected| self.split(projected))
    }

    fn split(&self, x: Tensor<2>) -> Tensor<3> {
        let [tokens, width] = x.dims();
        x.reshape([tokens, self.heads, width / self.heads])
    }

    /// `residual` + the output layer applied to the heads' results.
    fn join(&self, attended: Tensor<3>, residual: Tensor<2>, mask: Option<Dropout>) -> Tensor<2> {
        let [tokens, heads, head_dim] = attended.dims();
        let attended = Input::Plain(attended.reshape([tokens, heads * head_dim]));
        self.out_proj.onto(attended, residual, mask)
    }

    fn scale(&self) -> f32 {
        let [width, _] = self.out_proj.shape();
        1.0 / ((width / self.heads) as f32).sqrt()
    }

    /// `residual` + attention of each token to the visible tokens of its sequence. `masks` are those
    /// of the adapters of the first three layers and of the output layer.
    pub fn within(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        sequences: &Segments,
        sight: Sight,
        masks: [Option<Dropout>; 2],
    ) -> Tensor<2> {
        let [q, k, v] = self.projections(x, masks[0]);
        let attended = kernels::attention(q, k, v, sequences, self.scale(), sight);
        self.join(attended, residual, masks[1])
    }

    /// `residual` + attention of each beam's new token to its past.
    pub fn beams(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        beams: &Segments,
        cache: &mut BeamCache,
        layer: usize,
        slots: &[Slot],
    ) -> Tensor<2> {
        let [q, k, v] = self.projections(x, None);
        let scale = self.scale();
        let attended = kernels::beam_attention(q, k, v, beams, cache, layer, slots, scale);
        self.join(attended, residual, None)
    }

    /// `residual` + attention of the tokens of segment i to `sources[i]`.
    pub fn cross(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        segments: &Segments,
        sources: &[&KeyValues],
    ) -> Tensor<2> {
        let q = self.split(self.q_proj.forward(x));
        let attended = kernels::cross_attention(q, segments, sources, self.scale());
        self.join(attended, residual, None)
    }

    /// Keys and values of each sequence, for [`MultiHeadAttention::cross`].
    pub fn key_values(&self, hidden: Tensor<2>, sequences: &Segments) -> Vec<KeyValues> {
        let layers = [&self.k_proj, &self.v_proj];
        let [k, v] = Linear::each(layers, Input::Plain(hidden), None).outputs;
        let (k, v) = (self.split(k), self.split(v));
        let part = |range: std::ops::Range<usize>| {
            let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
            KeyValues::new(part(&k), part(&v))
        };
        sequences.iter().map(part).collect()
    }

    /// Its layers with `names`: queries, keys, values and output.
    pub(crate) fn linears_mut(&mut self, names: [String; 4]) -> [(String, &mut Linear); 4] {
        let [q_proj, k_proj, v_proj, out_proj] = names;
        [
            (q_proj, &mut self.q_proj),
            (k_proj, &mut self.k_proj),
            (v_proj, &mut self.v_proj),
            (out_proj, &mut self.out_proj),
        ]
    }
}
