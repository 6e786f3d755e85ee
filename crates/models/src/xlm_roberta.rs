//! The XLM-R encoder (Conneau et al. 2020, arXiv 1911.02116) and encoders of the same architecture,
//! such as InfoXLM. Reference: `modeling_xlm_roberta.py` of Transformers.
//!
//! Shapes: T tokens of all sequences laid end to end, C hidden, F inside the feed-forward layer,
//! H heads of size D, V vocabulary, P positions.

mod config;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{Activation, Input, Segments, Sight};

pub use config::XlmRobertaConfig;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::layers::{LayerNorm, Linear, Loader, MultiHeadAttention, WeightForm};

/// An encoder without pooler and output layer.
#[derive(Module, Debug)]
pub struct XlmRoberta {
    /// Sum of the embeddings of token, position and type, normalised.
    pub embeddings: Embeddings,
    /// Blocks, first to last.
    pub layers: Vec<Block>,
    /// Position of the first token of a sequence: the padding id + 1.
    first_position: usize,
    /// Maximum sequence length.
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

/// One encoder block: attention, then the feed-forward layer, each with a residual connection and
/// followed by a norm.
#[derive(Module, Debug)]
pub struct Block {
    /// Attention of every token to every token of its sequence.
    pub attention: MultiHeadAttention,
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

/// Prefixes of an encoder's tensor names, by origin: COMET, Transformers with a head, Transformers
/// without one.
const PREFIXES: [&str; 3] = ["encoder.model.", "roberta.", ""];

/// Name of the token table after the prefix.
const TOKEN_TABLE: &str = "embeddings.word_embeddings.weight";

/// The prefix of the encoder's tensor names in `checkpoint`; `None` if it contains no such encoder.
pub fn prefix(checkpoint: &dyn Checkpoint) -> Option<&'static str> {
    PREFIXES
        .into_iter()
        .find(|prefix| checkpoint.contains(&format!("{prefix}{TOKEN_TABLE}")))
}

impl XlmRoberta {
    /// Reads an encoder of this shape, whose tensor names begin with `prefix`, with its linear
    /// layers converted to `form` as soon as they are read. Other tensors of the checkpoint are
    /// ignored.
    pub fn load(
        config: &XlmRobertaConfig,
        checkpoint: &dyn Checkpoint,
        prefix: &str,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        let loader = Loader::new(checkpoint, device, hold);
        // First, since reading the token table takes the most memory.
        let embeddings = Embeddings::load(config, &loader, prefix)?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| {
                let prefix = format!("{prefix}encoder.layer.{index}");
                Block::load(config, &loader, &prefix)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            embeddings,
            layers,
            first_position: config.pad_token_id as usize + 1,
            max_tokens: config.max_tokens(),
        })
    }

    /// Maximum sequence length for which there are positions, in tokens.
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

    /// Hidden states [T, C] before the first block (layer 0) and after each block (layers 1 to
    /// `last`), passed to `visit` one by one, so that none has to be kept.
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
        loader: &Loader<'_>,
        prefix: &str,
    ) -> Result<Self, CheckpointError> {
        let table = |name: &str, rows| {
            let name = format!("{prefix}embeddings.{name}.weight");
            loader.parameter(&name, [rows, config.hidden_size])
        };
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            token_type_embeddings: table("token_type_embeddings", config.type_vocab_size)?,
            norm: loader.layer_norm(
                &format!("{prefix}embeddings.LayerNorm"),
                config.hidden_size,
                config.layer_norm_eps,
            )?,
        })
    }
}

impl Block {
    fn load(
        config: &XlmRobertaConfig,
        loader: &Loader<'_>,
        prefix: &str,
    ) -> Result<Self, CheckpointError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, shape| loader.linear(&format!("{prefix}.{name}"), shape, true);
        let norm = |name: &str| {
            loader.layer_norm(&format!("{prefix}.{name}"), width, config.layer_norm_eps)
        };
        let attention = ["self.query", "self.key", "self.value", "output.dense"]
            .map(|part| format!("{prefix}.attention.{part}"));
        let heads = config.num_attention_heads;
        Ok(Self {
            attention: MultiHeadAttention::load(loader, attention, width, heads)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense", [inner, width])?,
            output: linear("output.dense", [width, inner])?,
            output_norm: norm("output.LayerNorm")?,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, x: Tensor<2>, segments: &Segments) -> Tensor<2> {
        let attended = (self.attention).within(x.clone(), x, segments, Sight::Both);
        let x = self.attention_norm.forward(attended);
        let inner = Input::Activated {
            x: self.intermediate.forward(x.clone()),
            activation: self.activation,
        };
        self.output_norm.forward(self.output.onto(inner, x, None))
    }
}
