//! Grouped-query attention with rotary positions.

use burn::Tensor;
use burn::module::Module;
use kernels::{Input, Linears};

use super::{Linear, Loader, Pass, RmsNorm};
use crate::checkpoint::CheckpointError;

/// Self-attention with grouped queries (Ainslie et al. 2023, arXiv 2305.13245) and rotary positions
/// (Su et al. 2021, arXiv 2104.09864).
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Queries [H·D, C].
    pub q_proj: Linear,
    /// Keys [KV·D, C].
    pub k_proj: Linear,
    /// Values [KV·D, C].
    pub v_proj: Linear,
    /// Output [C, H·D].
    pub o_proj: Linear,
    /// Norm of each head's queries.
    pub q_norm: Option<RmsNorm>,
    /// Norm of each head's keys.
    pub k_norm: Option<RmsNorm>,
    #[module(skip)]
    plan: AttentionPlan,
}

/// Sizes and options of a [`SelfAttention`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionPlan {
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// KV.
    pub kv_heads: usize,
    /// D.
    pub head_dim: usize,
    /// Bias on the layers of queries, keys and values.
    pub qkv_bias: bool,
    /// Bias on the output layer.
    pub output_bias: bool,
    /// Factor of the scores, usually 1/√D.
    pub scale: f32,
    /// Size of the sliding window in tokens, including the token itself; `None` for all previous
    /// tokens.
    pub window: Option<usize>,
    /// Index of the model's rotary table for queries and keys.
    pub rotary: usize,
}

impl SelfAttention {
    /// Reads `{name}.q_proj` etc., without norms.
    pub(crate) fn load(
        loader: &Loader<'_>,
        name: &str,
        plan: AttentionPlan,
    ) -> Result<Self, CheckpointError> {
        let linear =
            |part: &str, shape, bias| loader.linear(&format!("{name}.{part}"), shape, bias);
        let queries = [plan.heads * plan.head_dim, plan.width];
        let keys = [plan.kv_heads * plan.head_dim, plan.width];
        Ok(Self {
            q_proj: linear("q_proj", queries, plan.qkv_bias)?,
            k_proj: linear("k_proj", keys, plan.qkv_bias)?,
            v_proj: linear("v_proj", keys, plan.qkv_bias)?,
            o_proj: linear("o_proj", [queries[1], queries[0]], plan.output_bias)?,
            q_norm: None,
            k_norm: None,
            plan,
        })
    }

    /// The same, with norms of each head's queries and keys.
    pub(crate) fn with_norms(self, queries: RmsNorm, keys: RmsNorm) -> Self {
        Self {
            q_norm: Some(queries),
            k_norm: Some(keys),
            ..self
        }
    }

    /// Attention output for `input`, and the tensor that the input is computed from.
    pub fn forward(
        &self,
        input: Input,
        layer: usize,
        pass: &mut Pass<'_>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (attended, source) = self.attended(input, layer, pass);
        (self.o_proj.apply(attended, pass.mask(layer, 3)), source)
    }

    /// [`SelfAttention::forward`] added to the tensor that the input is computed from.
    pub fn forward_onto(&self, input: Input, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let (attended, source) = self.attended(input, layer, pass);
        self.o_proj.onto(attended, source, pass.mask(layer, 3))
    }

    fn attended(&self, input: Input, layer: usize, pass: &mut Pass<'_>) -> (Input, Tensor<2>) {
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let Linears {
            outputs: [q, k, v],
            source,
        } = Linear::each(layers, input, pass.mask(layer, 0));
        let q = self.turned(q, &self.q_norm, pass);
        let k = self.turned(k, &self.k_norm, pass);
        let v = self.split(v);
        let AttentionPlan { scale, window, .. } = self.plan;
        let attended = pass.attend([q, k, v], layer, scale, window);
        let [tokens, heads, head_dim] = attended.dims();
        let attended = attended.reshape([tokens, heads * head_dim]);
        (Input::Plain(attended), source)
    }

    /// Queries or keys, normalised per head and rotated by their positions.
    fn turned(&self, x: Tensor<2>, norm: &Option<RmsNorm>, pass: &Pass<'_>) -> Tensor<3> {
        let mut heads = self.split(x);
        if let Some(norm) = norm {
            let shape @ [tokens, count, head_dim] = heads.dims();
            let rows = norm.forward(heads.reshape([tokens * count, head_dim]));
            heads = rows.reshape(shape);
        }
        let context = &pass.context;
        kernels::rotary(heads, &context.rotary[self.plan.rotary], &context.positions)
    }

    /// [T, n·D] → [T, n, D].
    fn split(&self, x: Tensor<2>) -> Tensor<3> {
        let [tokens, width] = x.dims();
        x.reshape([tokens, width / self.plan.head_dim, self.plan.head_dim])
    }

    /// Its layers, by their names within the attention module.
    pub fn linears_mut(&mut self) -> [(&'static str, &mut Linear); 4] {
        [
            ("q_proj", &mut self.q_proj),
            ("k_proj", &mut self.k_proj),
            ("v_proj", &mut self.v_proj),
            ("o_proj", &mut self.o_proj),
        ]
    }
}
