//! The XLM-R encoder (Conneau et al. 2020, arXiv 1911.02116) and those of its shape, such as
//! InfoXLM. Reference: `modeling_xlm_roberta.py` of Transformers.
//!
//! Shapes: T tokens of all sequences laid end to end, C hidden, F inside the feed-forward layer,
//! H heads of size D, V vocabulary, P positions.

mod config;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{Activation, Segments, WeightFormat};

pub use config::XlmRobertaConfig;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::linear::{Linear, parameter};

/// An encoder without pooler and output layer.
#[derive(Module, Debug)]
pub struct XlmRoberta {
    /// Sum of the embeddings of token, position and type, normalised.
    pub embeddings: Embeddings,
    /// Blocks, first to last.
    pub layers: Vec<Block>,
    /// Position of the first token of a sequence: behind the id that stands for padding.
    first_position: usize,
    /// Longest sequence.
    max_tokens: usize,
}

/// Input embeddings.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// Token table [V, C].
    pub word_embeddings: Param<Tensor<2>>,
    /// Learned positions [P, C].
    pub position_embeddings: Param<Tensor<2>>,
    /// Token types; only the first is ever used.
    pub token_type_embeddings: Param<Tensor<2>>,
    /// Norm of their sum.
    pub norm: LayerNorm,
}

/// Layer norm (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain, C values.
    pub weight: Param<Tensor<1>>,
    /// Shift, C values.
    pub bias: Param<Tensor<1>>,
    /// ε.
    pub epsilon: f64,
}

/// One encoder block: attention, then the feed-forward layer, each beside a residual and followed
/// by a norm.
#[derive(Module, Debug)]
pub struct Block {
    /// Attention of every token to every token of its sequence.
    pub attention: Attention,
    /// Norm after attention.
    pub attention_norm: LayerNorm,
    /// First feed-forward layer [F, C].
    pub intermediate: Linear,
    /// Second feed-forward layer [C, F].
    pub output: Linear,
    /// Norm after the feed-forward layer.
    pub output_norm: LayerNorm,
    #[module(skip)]
    activation: Activation,
}

/// Multi-head attention.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries [C, C].
    pub query: Linear,
    /// Keys [C, C].
    pub key: Linear,
    /// Values [C, C].
    pub value: Linear,
    /// Output [C, C].
    pub output: Linear,
    /// D.
    pub head_dim: usize,
}

/// What stands before the tensor names of an encoder, by who stored it: COMET, Transformers below
/// a head, Transformers alone.
const PREFIXES: [&str; 3] = ["encoder.model.", "roberta.", ""];

/// Name of the token table behind its prefix.
const TOKEN_TABLE: &str = "embeddings.word_embeddings.weight";

/// What stands before the names of the encoder's tensors in `checkpoint`; `None` where it holds no
/// such encoder.
pub fn prefix(checkpoint: &dyn Checkpoint) -> Option<&'static str> {
    PREFIXES
        .into_iter()
        .find(|prefix| checkpoint.contains(&format!("{prefix}{TOKEN_TABLE}")))
}

impl XlmRoberta {
    /// Reads an encoder of this shape, whose tensors have `prefix` before their names.
    pub fn load(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_blocks(config, checkpoint, prefix, device, |block| block)
    }

    /// [`XlmRoberta::load`] for inference: each block's linear layers are packed as soon as they
    /// are read, so that no weight is in memory twice. Not differentiable.
    pub fn load_packed(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
        format: WeightFormat,
    ) -> Result<Self, CheckpointError> {
        let pack = |block: Block| block.packed(format);
        Self::load_blocks(config, checkpoint, prefix, device, pack)
    }

    fn load_blocks(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
        finish: impl Fn(Block) -> Block,
    ) -> Result<Self, CheckpointError> {
        // First, since reading the token table takes the most memory.
        let embeddings = Embeddings::load(config, checkpoint, prefix, device)?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| {
                let prefix = format!("{prefix}encoder.layer.{index}");
                Block::load(config, checkpoint, &prefix, device).map(&finish)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            embeddings,
            layers,
            first_position: config.pad_token_id as usize + 1,
            max_tokens: config.max_tokens(),
        })
    }

    /// Tokens of the longest sequence that has positions.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Last hidden states: T ids → [T, C]. Differentiable.
    ///
    /// # Panics
    /// If an id is not below V or a segment is longer than [`XlmRoberta::max_tokens`].
    pub fn forward(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        let mut hidden = self.embed(ids, segments);
        for block in &self.layers {
            hidden = block.forward(hidden, segments);
        }
        hidden
    }

    /// Hidden states [T, C] below the first block (layer 0) and above each block (layers 1 to
    /// `last`), handed to `visit` one by one, so that none need be kept.
    ///
    /// # Panics
    /// As [`XlmRoberta::forward`].
    pub fn visit_layers(
        &self,
        ids: &[u32],
        segments: &Segments,
        last: usize,
        visit: &mut dyn FnMut(usize, &Tensor<2>),
    ) {
        let mut hidden = self.embed(ids, segments);
        visit(0, &hidden);
        for (index, block) in self.layers.iter().enumerate().take(last) {
            hidden = block.forward(hidden, segments);
            visit(index + 1, &hidden);
        }
    }

    /// Input of the first block [T, C].
    fn embed(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        let positions: Vec<u32> = segments
            .positions()
            .into_iter()
            .map(|position| position + self.first_position as u32)
            .collect();
        let Embeddings {
            word_embeddings,
            position_embeddings,
            token_type_embeddings,
            norm,
        } = &self.embeddings;
        let words = kernels::embedding(word_embeddings.val(), ids);
        let positions = kernels::embedding(position_embeddings.val(), &positions);
        let kind = token_type_embeddings.val().slice_dim(0, 0..1);
        norm.forward(words + positions + kind)
    }
}

impl Embeddings {
    fn load(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let table = |name: &str, rows| {
            let name = format!("{prefix}embeddings.{name}.weight");
            parameter(checkpoint, &name, [rows, config.hidden_size], device)
        };
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            token_type_embeddings: table("token_type_embeddings", config.type_vocab_size)?,
            norm: LayerNorm::load(
                config,
                checkpoint,
                &format!("{prefix}embeddings.LayerNorm"),
                device,
            )?,
        })
    }
}

impl LayerNorm {
    fn load(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        name: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let shape = [config.hidden_size];
        Ok(Self {
            weight: parameter(checkpoint, &format!("{name}.weight"), shape, device)?,
            bias: parameter(checkpoint, &format!("{name}.bias"), shape, device)?,
            epsilon: config.layer_norm_eps,
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}

impl Block {
    fn load(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, shape| {
            Linear::load(checkpoint, &format!("{prefix}.{name}"), shape, true, device)
        };
        let norm =
            |name: &str| LayerNorm::load(config, checkpoint, &format!("{prefix}.{name}"), device);
        Ok(Self {
            attention: Attention {
                query: linear("attention.self.query", [width, width])?,
                key: linear("attention.self.key", [width, width])?,
                value: linear("attention.self.value", [width, width])?,
                output: linear("attention.output.dense", [width, width])?,
                head_dim: width / config.num_attention_heads,
            },
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense", [inner, width])?,
            output: linear("output.dense", [width, inner])?,
            output_norm: norm("output.LayerNorm")?,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, x: Tensor<2>, segments: &Segments) -> Tensor<2> {
        let x = self
            .attention_norm
            .forward(self.attention.forward_onto(x, segments));
        let inner = kernels::activate(self.intermediate.forward(x.clone()), self.activation);
        self.output_norm.forward(self.output.forward_onto(inner, x))
    }

    fn packed(self, format: WeightFormat) -> Self {
        let Attention {
            query,
            key,
            value,
            output,
            head_dim,
        } = self.attention;
        Self {
            attention: Attention {
                query: query.packed(format),
                key: key.packed(format),
                value: value.packed(format),
                output: output.packed(format),
                head_dim,
            },
            attention_norm: self.attention_norm,
            intermediate: self.intermediate.packed(format),
            output: self.output.packed(format),
            output_norm: self.output_norm,
            activation: self.activation,
        }
    }
}

impl Attention {
    /// Attention plus its input.
    fn forward_onto(&self, x: Tensor<2>, segments: &Segments) -> Tensor<2> {
        let [tokens, width] = x.dims();
        let shape = [tokens, width / self.head_dim, self.head_dim];
        let q = self.query.forward(x.clone()).reshape(shape);
        let k = self.key.forward(x.clone()).reshape(shape);
        let v = self.value.forward(x.clone()).reshape(shape);
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let attended = kernels::bidirectional_attention(q, k, v, segments, scale);
        self.output
            .forward_onto(attended.reshape([tokens, width]), x)
    }
}
