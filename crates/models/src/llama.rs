//! The Llama family of decoders (Touvron et al. 2023, arXiv 2307.09288; Grattafiori et al. 2024,
//! arXiv 2407.21783). Reference: `modeling_llama.py` of Transformers.
//!
//! Fields are named as the tensors in Hugging Face checkpoints, so that a parameter's path is its
//! tensor's name. Shapes: T tokens of all sequences laid end to end, C hidden, F inside the MLP,
//! H query heads, KV key and value heads of size D, V vocabulary.

mod adapter;
mod config;
mod random;

use std::collections::HashSet;
use std::sync::{Arc, RwLock};

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{
    BlockPlan, BlockWeights, Dropout, KvCache, Precision, RotaryTable, Segments, Slot, WeightFormat,
};

pub use adapter::{LINEAR_LAYERS, LoraConfig, LoraTargetError};
pub(crate) use config::TokenIds;
pub use config::{ConfigError, Family, LlamaConfig, RopeScaling};

use crate::checkpoint::{Checkpoint, CheckpointError, reject_unexpected};
use crate::linear::{Linear, parameter};

/// A decoder with its output layer.
#[derive(Module, Debug)]
pub struct Llama {
    /// Token table, blocks and final norm.
    pub model: Decoder,
    /// Output layer; `None` where it is the token table.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    rotary: Rotary,
    /// Whether blocks keep only their input for the backward pass.
    #[module(skip)]
    recompute: bool,
    /// The output layer as inference reads it.
    #[module(skip)]
    packed_output: Option<kernels::PackedLinear>,
}

/// Everything below the output layer.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Token table.
    pub embed_tokens: Embedding,
    /// Blocks, first to last.
    pub layers: Vec<Block>,
    /// Norm of the last block's output.
    pub norm: RmsNorm,
}

/// Token table [V, C].
#[derive(Module, Debug)]
pub struct Embedding {
    /// One row for each token.
    pub weight: Param<Tensor<2>>,
}

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
struct Pass<'a> {
    segments: &'a Segments,
    positions: &'a [u32],
    rotary: &'a RotaryTable,
    recompute: bool,
    /// Of the adapters' dropout; nothing is dropped without.
    dropout_seed: Option<u64>,
    /// Keys and values of earlier tokens, and the slot of each segment.
    cache: Option<(&'a mut KvCache, &'a [Slot])>,
}

impl Llama {
    /// Reads a model of this shape. Tensors that are missing, of another shape or without a place
    /// are errors.
    pub fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let mut expected: HashSet<String> = tensor_names(config).into_iter().collect();
        expected.insert("lm_head.weight".into()); // A tied checkpoint may store it all the same.
        reject_unexpected(checkpoint, &expected, |name| {
            name.ends_with("rotary_emb.inv_freq")
        })?;

        let table = [config.vocab_size, config.hidden_size];
        let layers = (0..config.num_hidden_layers)
            .map(|index| Block::load(config, checkpoint, index, device))
            .collect::<Result<_, _>>()?;
        let lm_head = match config.tie_word_embeddings {
            true => None,
            false => Some(Linear::load(checkpoint, "lm_head", table, false, device)?),
        };
        Ok(Self {
            model: Decoder {
                embed_tokens: Embedding {
                    weight: parameter(checkpoint, "model.embed_tokens.weight", table, device)?,
                },
                layers,
                norm: RmsNorm::load(config, checkpoint, "model.norm", device)?,
            },
            lm_head,
            rotary: Rotary::new(config),
            recompute: false,
            packed_output: None,
        })
    }

    /// Rows of the token table for `ids`: [T, C].
    ///
    /// # Panics
    /// If an id is not below V.
    pub fn embed(&self, ids: &[u32]) -> Tensor<2> {
        kernels::embedding(self.model.embed_tokens.weight.val(), ids)
    }

    /// Last hidden states of whole sequences: T ids → [T, C]. Differentiable; nothing is cached,
    /// nothing dropped.
    pub fn forward(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        self.forward_embeds(self.embed(ids), segments)
    }

    /// [`Llama::forward`] from input embeddings [T, C].
    pub fn forward_embeds(&self, embeddings: Tensor<2>, segments: &Segments) -> Tensor<2> {
        self.forward_whole(embeddings, segments, None)
    }

    /// [`Llama::forward`] with the dropout of the adapters. A mask is a function of the seed and of
    /// its place in the model; layers that read the same input share one.
    pub fn forward_with_dropout(&self, ids: &[u32], segments: &Segments, seed: u64) -> Tensor<2> {
        self.forward_whole(self.embed(ids), segments, Some(seed))
    }

    fn forward_whole(
        &self,
        embeddings: Tensor<2>,
        segments: &Segments,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let positions = segments.positions();
        let rotary = self.rotary.covering(&positions);
        let pass = Pass {
            segments,
            positions: &positions,
            rotary: &rotary,
            recompute: self.recompute,
            dropout_seed,
            cache: None,
        };
        self.model.forward(embeddings, pass)
    }

    /// Last hidden states of new tokens: segment i goes on where sequence `slots[i]` of the cache
    /// stands (whole prompts and single tokens may be mixed). Not differentiable.
    pub fn forward_cached(
        &self,
        ids: &[u32],
        segments: &Segments,
        cache: &mut KvCache,
        slots: &[Slot],
    ) -> Tensor<2> {
        let positions = cache.positions(segments, slots);
        let rotary = self.rotary.covering(&positions);
        let cache = Some((cache, slots));
        let pass = Pass {
            segments,
            positions: &positions,
            rotary: &rotary,
            recompute: false,
            dropout_seed: None,
            cache,
        };
        self.model.forward(self.embed(ids), pass)
    }

    /// Logits [T, V] of hidden states [T, C].
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        match (&self.packed_output, &self.lm_head) {
            (Some(packed), _) => packed.forward(hidden),
            (None, Some(head)) => head.forward(hidden),
            (None, None) => kernels::linear(hidden, self.model.embed_tokens.weight.val(), None),
        }
    }

    /// Weight [V, C] of the output layer, for [`kernels::linear_cross_entropy`].
    pub fn output_weight(&self) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => head.effective_weight(),
            None => self.model.embed_tokens.weight.val(),
        }
    }

    /// The model, whose blocks' weights are not trained, with these weights packed for products in
    /// `precision` besides: adapters are trained faster for it.
    pub fn with_frozen_weights(self, precision: Precision) -> Self {
        self.map_linears(|_, layer| layer.with_frozen_weight(precision))
    }

    /// With `recompute`, blocks without biases keep only their input for the backward
    /// pass and compute the rest again: less memory, a third more work.
    pub fn recomputing(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// Whether every block can be [computed again](Llama::recomputing).
    pub fn can_recompute(&self) -> bool {
        self.model
            .layers
            .iter()
            .all(|block| block.weights().is_some())
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.model.layers.len())
    }

    /// A copy for inference: adapters merged, weights in the form that is read fastest. It can be
    /// neither trained nor saved. Drop this model afterwards to have the weights in memory once.
    pub fn packed(&self, format: WeightFormat) -> Self {
        let output = kernels::PackedLinear::new(self.output_weight(), None, format);
        let mut copy = self
            .clone()
            .valid()
            .map_linears(|_, layer| layer.packed(format));
        copy.packed_output = Some(output);
        copy
    }

    /// Whether this is a copy for inference.
    pub fn is_packed(&self) -> bool {
        self.packed_output.is_some()
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.model.embed_tokens.weight.device()
    }
}

impl Decoder {
    fn forward(&self, embeddings: Tensor<2>, mut pass: Pass) -> Tensor<2> {
        let hidden = self
            .layers
            .iter()
            .enumerate()
            .fold(embeddings, |hidden, (index, block)| {
                block.forward(hidden, index, &mut pass)
            });
        self.norm.forward(hidden)
    }
}

impl RmsNorm {
    fn load(
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

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::rms_norm(x, self.weight.val(), self.epsilon)
    }
}

impl Block {
    fn load(
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

    fn forward(&self, x: Tensor<2>, index: usize, pass: &mut Pass) -> Tensor<2> {
        let dropout = pass.dropout_seed.and_then(|seed| {
            let share = self.dropout()?;
            Some(Dropout { share, seed }.at(index as u64))
        });
        if pass.cache.is_none()
            && let Some(weights) = self.weights()
        {
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
        let x = (self.self_attn).forward_onto(normed, x, index, pass, dropout);
        let normed = self.post_attention_layernorm.forward(x.clone());
        self.mlp.forward_onto(normed, x, dropout)
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

    /// The weights, where there is nothing to the block but them and their adapters: no bias.
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
        dropout: Option<Dropout>,
    ) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let [input_dropout, output_dropout] = [0, 3].map(|place| dropout.map(|d| d.at(place)));
        let heads = |x: Tensor<2>| {
            let [_, width] = x.dims();
            x.reshape([tokens, width / self.head_dim, self.head_dim])
        };
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = Linear::forward_each(layers, x, input_dropout).map(heads);
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
        self.o_proj.forward_onto(attended, residual, output_dropout)
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
    fn forward_onto(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        dropout: Option<Dropout>,
    ) -> Tensor<2> {
        let [input_dropout, inner_dropout] = [4, 6].map(|place| dropout.map(|d| d.at(place)));
        let layers = [&self.gate_proj, &self.up_proj];
        let [gate, up] = Linear::forward_each(layers, x, input_dropout);
        let inner = kernels::swiglu(gate, up);
        (self.down_proj).forward_onto(inner, residual, inner_dropout)
    }
}

/// Names of all tensors of a model of this shape, as Hugging Face stores them.
pub fn tensor_names(config: &LlamaConfig) -> Vec<String> {
    let mut names = vec![
        "model.embed_tokens.weight".to_owned(),
        "model.norm.weight".to_owned(),
    ];
    if !config.tie_word_embeddings {
        names.push("lm_head.weight".into());
    }
    let layers = [
        ("self_attn.q_proj", config.qkv_bias),
        ("self_attn.k_proj", config.qkv_bias),
        ("self_attn.v_proj", config.qkv_bias),
        ("self_attn.o_proj", config.output_bias),
        ("mlp.gate_proj", config.mlp_bias),
        ("mlp.up_proj", config.mlp_bias),
        ("mlp.down_proj", config.mlp_bias),
        ("input_layernorm", false),
        ("post_attention_layernorm", false),
    ];
    for index in 0..config.num_hidden_layers {
        for (layer, bias) in layers {
            names.push(format!("model.layers.{index}.{layer}.weight"));
            if bias {
                names.push(format!("model.layers.{index}.{layer}.bias"));
            }
        }
    }
    names
}

/// The rotary table, grown as longer sequences come.
#[derive(Debug, Clone)]
struct Rotary(Arc<RwLock<RotaryTable>>);

impl Rotary {
    fn new(config: &LlamaConfig) -> Self {
        let positions = config.max_position_embeddings.min(2048);
        let table = RotaryTable::new(&config.inverse_frequencies(), 1.0, positions);
        Self(Arc::new(RwLock::new(table)))
    }

    /// A table that reaches the furthest of `positions`.
    fn covering(&self, positions: &[u32]) -> RotaryTable {
        let needed = positions
            .iter()
            .max()
            .map_or(0, |&furthest| furthest as usize + 1);
        let table = self
            .0
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone();
        if needed <= table.positions() {
            return table;
        }
        let table = table.covering(needed.next_power_of_two());
        *self
            .0
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = table.clone();
        table
    }
}
