//! One decoder block, and the norms.

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{BlockPlan, BlockWeights, Dropout, KvCache, RotaryTable, Segments, Slot};

use super::LlamaConfig;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::linear::{Linear, parameter};

/// Root-mean-square norm (Zhang and Sennrich 2019, arXiv 1910.07467).
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// Gain, C values.
    pub weight: Param<Tensor<1>>,
    /// ε.
    pub epsilon: f64,
}

/// One decoder block: attention, then the MLP, each behind a norm and beside a residual.
#[derive(Module, Debug)]
pub struct Block {
    /// Attention.
    pub self_attn: Attention,
    /// MLP.
    pub mlp: Mlp,
    /// Norm before attention.
    pub input_layernorm: RmsNorm,
    /// Norm before the MLP.
    pub post_attention_layernorm: RmsNorm,
}

/// Grouped-query attention with rotary positions.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries [H·D, C].
    pub q_proj: Linear,
    /// Keys [KV·D, C].
    pub k_proj: Linear,
    /// Values [KV·D, C].
    pub v_proj: Linear,
    /// Output [C, H·D].
    pub o_proj: Linear,
    /// D.
    pub head_dim: usize,
}

/// SwiGLU MLP.
#[derive(Module, Debug)]
pub struct Mlp {
    /// Gate [F, C].
    pub gate_proj: Linear,
    /// Up [F, C].
    pub up_proj: Linear,
    /// Down [C, F].
    pub down_proj: Linear,
}

/// What every block of one forward pass shares.
pub(super) struct Pass<'a> {
    pub segments: &'a Segments,
    pub positions: &'a [u32],
    pub rotary: &'a RotaryTable,
    pub recompute: bool,
    /// Of the adapters' dropout; nothing is dropped without.
    pub dropout_seed: Option<u64>,
    /// Keys and values of earlier tokens, and the slot of each segment.
    pub cache: Option<(&'a mut KvCache, &'a [Slot])>,
}

impl RmsNorm {
    pub(super) fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        name: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let shape = [config.hidden_size];
        let weight = parameter(checkpoint, &format!("{name}.weight"), shape, device)?;
        Ok(Self {
            weight,
            epsilon: config.rms_norm_eps,
        })
    }

    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::rms_norm(x, self.weight.val(), self.epsilon)
    }
}

impl Block {
    pub(super) fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        index: usize,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let prefix = format!("model.layers.{index}");
        let norm =
            |name: &str| RmsNorm::load(config, checkpoint, &format!("{prefix}.{name}"), device);
        Ok(Self {
            self_attn: Attention::load(config, checkpoint, &prefix, device)?,
            mlp: Mlp::load(config, checkpoint, &prefix, device)?,
            input_layernorm: norm("input_layernorm")?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
        })
    }

    pub(super) fn forward(&self, x: Tensor<2>, index: usize, pass: &mut Pass) -> Tensor<2> {
        if pass.cache.is_none()
            && let Some(weights) = self.weights()
        {
            let dropout = pass.dropout_seed.and_then(|seed| {
                let share = self.dropout()?;
                Some(Dropout { share, seed }.at(index as u64))
            });
            let plan = BlockPlan {
                segments: pass.segments,
                positions: pass.positions,
                rotary: pass.rotary,
                head_dim: self.self_attn.head_dim,
                epsilon: self.input_layernorm.epsilon,
                recompute: pass.recompute,
                dropout,
            };
            return kernels::decoder_block(x, weights, &plan);
        }
        let normed = self.input_layernorm.forward(x.clone());
        let x = self.self_attn.forward_onto(normed, x, index, pass);
        let normed = self.post_attention_layernorm.forward(x.clone());
        self.mlp.forward_onto(normed, x)
    }

    /// Replaces each linear layer; the closure sees its name in the block.
    pub(super) fn map_linears<E>(
        mut self,
        mut map: impl FnMut(&str, Linear) -> Result<Linear, E>,
    ) -> Result<Self, E> {
        let (attention, mlp) = (&mut self.self_attn, &mut self.mlp);
        let layers = [
            ("self_attn.q_proj", &mut attention.q_proj),
            ("self_attn.k_proj", &mut attention.k_proj),
            ("self_attn.v_proj", &mut attention.v_proj),
            ("self_attn.o_proj", &mut attention.o_proj),
            ("mlp.gate_proj", &mut mlp.gate_proj),
            ("mlp.up_proj", &mut mlp.up_proj),
            ("mlp.down_proj", &mut mlp.down_proj),
        ];
        for (name, layer) in layers {
            *layer = map(name, layer.clone())?;
        }
        Ok(self)
    }

    /// Its linear layers, in the order in which they are used.
    pub(crate) fn linears(&self) -> [&Linear; 7] {
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        [
            &attention.q_proj,
            &attention.k_proj,
            &attention.v_proj,
            &attention.o_proj,
            &mlp.gate_proj,
            &mlp.up_proj,
            &mlp.down_proj,
        ]
    }

    /// Share of the adapters' inputs that is dropped, which is one in a whole model.
    fn dropout(&self) -> Option<f64> {
        let mut adapters = (self.linears().into_iter()).filter_map(|layer| layer.lora.as_ref());
        let share = adapters.next()?.dropout;
        (share > 0.0).then_some(share)
    }

    /// The weights as training multiplies by them; nothing of a copy for inference.
    fn weights(&self) -> Option<BlockWeights> {
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        Some(BlockWeights {
            attention_norm: self.input_layernorm.weight.val(),
            query: attention.q_proj.projection()?,
            key: attention.k_proj.projection()?,
            value: attention.v_proj.projection()?,
            output: attention.o_proj.projection()?,
            mlp_norm: self.post_attention_layernorm.weight.val(),
            gate: mlp.gate_proj.projection()?,
            up: mlp.up_proj.projection()?,
            down: mlp.down_proj.projection()?,
        })
    }
}

impl Attention {
    fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let width = config.hidden_size;
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        let linear = |name: &str, shape, bias| {
            Linear::load(
                checkpoint,
                &format!("{prefix}.self_attn.{name}"),
                shape,
                bias,
                device,
            )
        };
        Ok(Self {
            q_proj: linear("q_proj", [queries, width], config.qkv_bias)?,
            k_proj: linear("k_proj", [keys, width], config.qkv_bias)?,
            v_proj: linear("v_proj", [keys, width], config.qkv_bias)?,
            o_proj: linear("o_proj", [width, queries], config.output_bias)?,
            head_dim: config.head_dim,
        })
    }

    /// `residual` + attention of `x`.
    fn forward_onto(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        layer: usize,
        pass: &mut Pass,
    ) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let heads = |x: Tensor<2>| {
            let [_, width] = x.dims();
            x.reshape([tokens, width / self.head_dim, self.head_dim])
        };
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = Linear::forward_each(layers, x).map(heads);
        let q = kernels::rotary(q, pass.rotary, pass.positions);
        let k = kernels::rotary(k, pass.rotary, pass.positions);
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let attended = match &mut pass.cache {
            Some((cache, slots)) => {
                kernels::cached_attention(q, k, v, pass.segments, cache, layer, slots, scale)
            }
            None => kernels::attention(q, k, v, pass.segments, scale),
        };
        let [_, heads, head_dim] = attended.dims();
        let attended = attended.reshape([tokens, heads * head_dim]);
        self.o_proj.forward_onto(attended, residual)
    }
}

impl Mlp {
    fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, shape| {
            let name = format!("{prefix}.mlp.{name}");
            Linear::load(checkpoint, &name, shape, config.mlp_bias, device)
        };
        Ok(Self {
            gate_proj: linear("gate_proj", [inner, width])?,
            up_proj: linear("up_proj", [inner, width])?,
            down_proj: linear("down_proj", [width, inner])?,
        })
    }

    /// `residual` + the MLP of `x`.
    fn forward_onto(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        let layers = [&self.gate_proj, &self.up_proj];
        let [gate, up] = Linear::forward_each(layers, x);
        self.down_proj
            .forward_onto(kernels::swiglu(gate, up), residual)
    }
}
