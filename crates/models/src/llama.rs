//! The Llama family of decoders (Touvron et al. 2023, arXiv 2307.09288; Grattafiori et al. 2024,
//! arXiv 2407.21783). Reference: `modeling_llama.py` of Transformers.
//!
//! Fields are named as the tensors in Hugging Face checkpoints, so that a parameter's path is its
//! tensor's name. Shapes: T tokens of all sequences laid end to end, C hidden, F inside the MLP,
//! H query heads, KV key and value heads of size D, V vocabulary.

mod adapter;
mod block;
mod config;
mod random;
mod rope_scaling;
mod rotary;

use std::collections::HashSet;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{KvCache, Segments, Slot, WeightFormat};

pub use adapter::{LINEAR_LAYERS, LoraConfig, LoraTargetError};
use block::Pass;
pub use block::{Attention, Block, Mlp, RmsNorm};
pub(crate) use config::TokenIds;
pub use config::{ConfigError, Family, LlamaConfig};
pub use rope_scaling::RopeScaling;

use rotary::Rotary;

use crate::checkpoint::{Checkpoint, CheckpointError, reject_unexpected};
use crate::linear::{Linear, WeightForm, parameter};

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

/// Replaces a linear layer, given its full name.
pub(crate) type MapLayer<'a> = dyn FnMut(&str, Linear) -> Result<Linear, CheckpointError> + 'a;

impl Llama {
    /// Reads a model of this shape. Tensors that are missing, of another shape or without a place
    /// are errors.
    pub fn load(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_mapped(config, checkpoint, device, &mut |_, layer| Ok(layer))
    }

    /// [`Llama::load`] with the blocks' weights in `form`, in which each is put as soon as it is
    /// read.
    pub fn load_as(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        Ok(Self::load_mapped(config, checkpoint, device, hold)?.with_output_in(form))
    }

    /// [`Llama::load`] with each linear layer of a block replaced as soon as the block is read, so
    /// that only one block's are in memory twice; the closure sees a layer's full name.
    pub(crate) fn load_mapped(
        config: &LlamaConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        map: &mut MapLayer<'_>,
    ) -> Result<Self, CheckpointError> {
        let mut expected: HashSet<String> = tensor_names(config).into_iter().collect();
        expected.insert("lm_head.weight".into()); // A tied checkpoint may store it all the same.
        reject_unexpected(checkpoint, &expected, |name| {
            name.ends_with("rotary_emb.inv_freq")
        })?;

        let table = [config.vocab_size, config.hidden_size];
        let layers = (0..config.num_hidden_layers)
            .map(|index| {
                let block = Block::load(config, checkpoint, index, device)?;
                block.map_linears(|name, layer| map(&format!("model.layers.{index}.{name}"), layer))
            })
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

    /// The model, of whose blocks only adapters are trained, in [`WeightForm::Frozen`]; one that is
    /// frozen already stays as it is.
    ///
    /// # Panics
    /// If it was packed for inference.
    pub fn frozen(self, format: WeightFormat) -> Self {
        self.map_linears(|_, layer| layer.frozen(format))
    }

    /// With `recompute`, blocks keep only their input for the backward pass and compute the rest
    /// again: less memory, a third more work.
    pub fn recomputing(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.model.layers.len())
    }

    /// A copy for inference: adapters merged, weights in the form that is read fastest. It can be
    /// neither trained nor saved. Drop this model afterwards to have the weights in memory once.
    pub fn packed(&self, format: WeightFormat) -> Self {
        let copy = self.clone().valid();
        copy.map_linears(|_, layer| layer.packed(format))
            .with_output_in(WeightForm::Packed(format))
    }

    /// The model, whose blocks are in `form`, with its output layer as that needs it.
    pub(crate) fn with_output_in(mut self, form: WeightForm) -> Self {
        if let WeightForm::Packed(format) = form {
            let weight = self.output_weight();
            self.packed_output = Some(kernels::PackedLinear::new(weight, None, format));
        }
        self
    }

    /// Whether the blocks' weights were let go once they were packed, for inference or for the
    /// training of adapters.
    pub fn is_packed(&self) -> bool {
        let mut layers = self.model.layers.iter().flat_map(Block::linears);
        layers.any(|layer| !layer.holds_parameter())
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
