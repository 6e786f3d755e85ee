//! Multi-head attention as encoder, decoder, and decoder over encoder use it.

use burn::Tensor;
use burn::module::Module;
use kernels::{BeamCache, KeyValues, Segments, Slot};

use super::layers::Loader;
use crate::checkpoint::CheckpointError;
use crate::linear::Linear;

/// The four linear layers [C, C] around attention.
#[derive(Module, Debug)]
pub struct Attention {
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

impl Attention {
    pub fn load(
        loader: &Loader<'_>,
        name: &str,
        width: usize,
        heads: usize,
    ) -> Result<Self, CheckpointError> {
        let linear = |part: &str| loader.linear(&format!("{name}.{part}"), [width, width], true);
        Ok(Self {
            q_proj: linear("q_proj")?,
            k_proj: linear("k_proj")?,
            v_proj: linear("v_proj")?,
            out_proj: linear("out_proj")?,
            heads,
        })
    }

    /// Queries, keys and values of the same tokens: [T, H, D] each.
    fn projections(&self, x: Tensor<2>) -> [Tensor<3>; 3] {
        Linear::forward_each([&self.q_proj, &self.k_proj, &self.v_proj], x)
            .map(|projected| self.split(projected))
    }

    fn split(&self, x: Tensor<2>) -> Tensor<3> {
        let [tokens, width] = x.dims();
        x.reshape([tokens, self.heads, width / self.heads])
    }

    /// `residual` + the output layer of what the heads say.
    fn join(&self, attended: Tensor<3>, residual: Tensor<2>) -> Tensor<2> {
        let [tokens, heads, head_dim] = attended.dims();
        let attended = attended.reshape([tokens, heads * head_dim]);
        self.out_proj.forward_onto(attended, residual)
    }

    fn scale(&self) -> f32 {
        let [width, _] = self.out_proj.shape();
        1.0 / ((width / self.heads) as f32).sqrt()
    }

    /// `residual` + attention of each token to all of its sequence.
    pub fn bidirectional(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        sequences: &Segments,
    ) -> Tensor<2> {
        let [q, k, v] = self.projections(x);
        let attended = kernels::bidirectional_attention(q, k, v, sequences, self.scale());
        self.join(attended, residual)
    }

    /// `residual` + attention of each token to itself and those before it.
    pub fn causal(&self, x: Tensor<2>, residual: Tensor<2>, sequences: &Segments) -> Tensor<2> {
        let [q, k, v] = self.projections(x);
        let attended = kernels::attention(q, k, v, sequences, self.scale());
        self.join(attended, residual)
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
        let [q, k, v] = self.projections(x);
        let scale = self.scale();
        let attended = kernels::beam_attention(q, k, v, beams, cache, layer, slots, scale);
        self.join(attended, residual)
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
        self.join(attended, residual)
    }

    /// Keys and values of each sequence, for [`Attention::cross`].
    pub fn key_values(&self, hidden: Tensor<2>, sequences: &Segments) -> Vec<KeyValues> {
        let [k, v] = Linear::forward_each([&self.k_proj, &self.v_proj], hidden);
        let (k, v) = (self.split(k), self.split(v));
        let part = |range: std::ops::Range<usize>| {
            let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
            KeyValues::new(part(&k), part(&v))
        };
        sequences.iter().map(part).collect()
    }
}
