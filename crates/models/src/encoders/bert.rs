//! BERT (Devlin et al. 2018, arXiv 1810.04805) and the encoders that differ from it in positions and
//! token types only: RoBERTa, XLM-R (Conneau et al. 2020, arXiv 1911.02116), CamemBERT, InfoXLM.
//! multilingual-e5-small is a BERT. References: `modeling_bert.py` and `modeling_xlm_roberta.py` of
//! Transformers.
//!
//! Shapes: T tokens of all sequences laid end to end, C hidden, F inside the feed-forward layer,
//! H heads of size D, V vocabulary, P positions.

mod config;

use std::path::Path;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{Activation, Dropout, Input, Segments, Sight};

pub use config::{BertConfig, Positions};

use super::{Architecture, Encoder, EncoderShape, EncoderTokenizer};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config_error::ConfigError;
use crate::language_model::LoadError;
use crate::layers::{LayerNorm, Linear, Loader, MultiHeadAttention, Pass, WeightForm, run_block};

/// An encoder without pooler and output layer.
#[derive(Module, Debug)]
pub struct Bert {
    /// Sum of the embeddings of token, position and type, normalised.
    pub embeddings: Embeddings,
    /// Blocks, first to last.
    pub layers: Vec<Block>,
    #[module(skip)]
    positions: Positions,
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
    /// Token types: the texts of a pair, in models that distinguish them.
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
const PREFIXES: [&str; 4] = ["encoder.model.", "roberta.", "bert.", ""];

/// Name of the token table after the prefix.
const TOKEN_TABLE: &str = "embeddings.word_embeddings.weight";

/// The prefix of the encoder's tensor names in `checkpoint`; `None` if it contains no such encoder.
pub fn prefix(checkpoint: &dyn Checkpoint) -> Option<&'static str> {
    PREFIXES
        .into_iter()
        .find(|prefix| checkpoint.contains(&format!("{prefix}{TOKEN_TABLE}")))
}

impl Architecture for BertConfig {
    type Encoder = Bert;

    const MODEL_TYPES: &'static [&'static str] = config::MODEL_TYPES;
    const MARKS_LANGUAGES: bool = false;

    fn from_json(text: &str) -> Result<Self, ConfigError> {
        Self::from_json(text)
    }

    fn shape(&self) -> EncoderShape {
        EncoderShape {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            max_tokens: self.max_tokens(),
        }
    }

    fn load(&self, loader: Loader<'_>, _: WeightForm) -> Result<Bert, CheckpointError> {
        loader.under(prefix(loader.checkpoint).unwrap_or_default());
        // First, since reading the token table takes the most memory.
        let embeddings = Embeddings::load(self, &loader)?;
        let layers = (0..self.num_hidden_layers)
            .map(|index| Block::load(self, &loader, &format!("encoder.layer.{index}")))
            .collect::<Result<_, _>>()?;
        // More layers than the configuration says would be another model.
        loader.finish(|name| !name.contains("encoder.layer."))?;
        Ok(Bert {
            embeddings,
            layers,
            positions: self.positions,
            max_tokens: self.max_tokens(),
        })
    }

    fn tokenizer(&self, directory: &Path) -> Result<EncoderTokenizer, LoadError> {
        let distinguishes_texts = self.type_vocab_size > 1;
        let tokenizer = EncoderTokenizer::load(directory, distinguishes_texts, self.max_tokens())?;
        tokenizer.check_vocabulary(self.vocab_size)?;
        Ok(tokenizer)
    }
}

impl Bert {
    /// Reads an encoder of this shape, with its linear layers converted to `form` as soon as they
    /// are read. Other parts of the checkpoint are ignored.
    pub fn load(
        config: &BertConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        Architecture::load(config, Loader::new(checkpoint, device, hold), form)
    }

    /// Maximum sequence length for which there are positions, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Hidden states [T, C] before the first block (layer 0) and after each block (layers 1 to
    /// `last`), passed to `visit` one by one, so that none has to be kept. All tokens have type 0.
    ///
    /// # Panics
    /// If an id is not below V or a segment is longer than [`Bert::max_tokens`].
    pub fn visit_layers(
        &self,
        ids: &[u32],
        segments: &Segments,
        last: usize,
        visit: &mut dyn FnMut(usize, &Tensor<2>),
    ) {
        let mut hidden = self.embed(ids, &[], segments);
        visit(0, &hidden);
        for (index, block) in self.layers.iter().enumerate().take(last) {
            hidden = block.apply(hidden, segments, [None; 4]);
            visit(index + 1, &hidden);
        }
    }
}

impl Encoder for Bert {
    fn embed(&self, ids: &[u32], types: &[u32], segments: &Segments) -> Tensor<2> {
        let Embeddings {
            word_embeddings,
            position_embeddings,
            token_type_embeddings,
            norm,
        } = &self.embeddings;
        let words = kernels::embedding(word_embeddings.val(), ids);
        let positions = self.positions.of_sequences(ids, segments);
        let positions = kernels::embedding(position_embeddings.val(), &positions);
        let table = token_type_embeddings.val();
        let types = match types.iter().all(|&kind| kind == 0) {
            true => table.slice_dim(0, 0..1),
            false => kernels::embedding(table, types),
        };
        norm.forward(words + positions + types)
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn layer(&self, index: usize, x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        run_block(&self.layers[index], x, index, pass)
    }

    fn device(&self) -> Device {
        self.embeddings.word_embeddings.device()
    }

    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let layers = self.layers.iter_mut().enumerate();
        let of_layer = layers.flat_map(|(index, block)| {
            let linears = block.linears_mut().into_iter();
            linears.map(move |(name, layer)| (format!("encoder.layer.{index}.{name}"), layer))
        });
        of_layer.collect()
    }
}

/// The layers around attention, by their names within the block: queries, keys, values and output.
const ATTENTION: [&str; 4] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
];

impl Embeddings {
    fn load(config: &BertConfig, loader: &Loader<'_>) -> Result<Self, CheckpointError> {
        let table = |name: &str, rows| {
            let name = format!("embeddings.{name}.weight");
            loader.parameter(&name, [rows, config.hidden_size])
        };
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            token_type_embeddings: table("token_type_embeddings", config.type_vocab_size)?,
            norm: loader.layer_norm(
                "embeddings.LayerNorm",
                config.hidden_size,
                config.layer_norm_eps,
            )?,
        })
    }
}

impl Block {
    fn load(
        config: &BertConfig,
        loader: &Loader<'_>,
        prefix: &str,
    ) -> Result<Self, CheckpointError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, shape| loader.linear(&format!("{prefix}.{name}"), shape, true);
        let norm = |name: &str| {
            loader.layer_norm(&format!("{prefix}.{name}"), width, config.layer_norm_eps)
        };
        let attention = ATTENTION.map(|part| format!("{prefix}.{part}"));
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

    /// [T, C] → [T, C]. `masks` are those of the adapters: of queries, keys and values, of the
    /// output of attention, and of the feed-forward layers.
    fn apply(&self, x: Tensor<2>, segments: &Segments, masks: [Option<Dropout>; 4]) -> Tensor<2> {
        let of_attention = [masks[0], masks[1]];
        let attended = (self.attention).within(x.clone(), x, segments, Sight::Both, of_attention);
        let x = self.attention_norm.forward(attended);
        let inner = Input::Activated {
            x: self.intermediate.apply(Input::Plain(x.clone()), masks[2]),
            activation: self.activation,
        };
        self.output_norm
            .forward(self.output.onto(inner, x, masks[3]))
    }

    /// Its linear layers, by their names within the block.
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let names = ATTENTION.map(str::to_owned);
        let mut layers = Vec::from(self.attention.linears_mut(names));
        layers.push(("intermediate.dense".into(), &mut self.intermediate));
        layers.push(("output.dense".into(), &mut self.output));
        layers
    }
}

impl crate::layers::Block for Block {
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let masks = [0, 1, 2, 3].map(|place| pass.mask(layer, place));
        self.apply(x, &pass.context.segments, masks)
    }
}
