//! M2M-100 and NLLB-200: many-to-many translation (Fan et al. 2020, arXiv 2010.11125; NLLB team
//! 2022, arXiv 2207.04672). Reference: `modeling_m2m_100.py` of Transformers.
//!
//! Fields are named as the tensors in Hugging Face checkpoints. Shapes: T tokens of all sequences
//! laid end to end, C hidden, F inside the feed-forward layers, H heads of size D, V vocabulary.

mod attention;
mod config;
mod decoder;
mod encoder;
mod layers;
mod positions;
mod random;
mod tokenizer;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{BeamCache, KeyValues, PackedLinear, Segments, Slot, TopTokens, WeightFormat};

pub use config::M2m100Config;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use tokenizer::{TranslationTokenizer, TranslationTokenizerError};

use crate::checkpoint::{Checkpoint, CheckpointError, reject_unexpected};
use crate::linear::Linear;
use layers::Loader;
use positions::Positions;

/// Names under which checkpoints store the token table; which ones are there varies with the
/// version that wrote them.
const TABLE: [&str; 4] = [
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
];

/// An encoder, a decoder and the token table that both share with the output layer.
#[derive(Module, Debug)]
pub struct M2m100 {
    /// Token table [V, C]; empty in a packed model.
    pub shared: Param<Tensor<2>>,
    /// Reads the source.
    pub encoder: Encoder,
    /// Writes the target.
    pub decoder: Decoder,
    /// Output layer; `None` where it is the token table.
    pub lm_head: Option<Linear>,
    /// The token table as inference reads it.
    #[module(skip)]
    packed_table: Option<PackedLinear>,
    #[module(skip)]
    positions: Positions,
    /// Multiplies the rows of the token table.
    embedding_scale: f64,
}

/// Keys and values of encoded sequences, for each layer of the decoder.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `layers[i]` is what layer i attends to.
    pub(crate) layers: Vec<KeyValues>,
}

impl M2m100 {
    /// Reads a model of this shape, to be trained or compared. Tensors that are missing, of another
    /// shape or without a place are errors.
    pub fn load(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_with(config, checkpoint, None, device)
    }

    /// Reads a model for inference: each weight is packed as soon as it is read, so that the model
    /// is in memory once. It can be neither trained nor saved.
    pub fn load_packed(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        format: WeightFormat,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_with(config, checkpoint, Some(format), device)
    }

    fn load_with(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        format: Option<WeightFormat>,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let expected = tensor_names(config).into_iter();
        let expected = expected.chain(TABLE.map(str::to_owned)).collect();
        reject_unexpected(checkpoint, &expected, |name| {
            // Buffers of older versions.
            name.ends_with("embed_positions.weights")
                || name.ends_with("coder.version")
                || name.ends_with("_float_tensor")
        })?;
        let loader = Loader {
            checkpoint,
            format,
            device,
        };
        let shape = [config.vocab_size, config.d_model];
        let stored = TABLE.iter().find(|name| checkpoint.contains(name));
        // The table comes first: it is the largest tensor, and its unpacked copy is gone before
        // the others come.
        let (shared, packed_table) = loader.table(stored.unwrap_or(&TABLE[0]), shape)?;
        let lm_head = match config.tie_word_embeddings {
            true => None,
            false => Some(loader.linear("lm_head", shape, false)?),
        };
        Ok(Self {
            shared,
            encoder: Encoder::load(config, &loader)?,
            decoder: Decoder::load(config, &loader)?,
            lm_head,
            packed_table,
            positions: Positions::new(config),
            embedding_scale: config.embedding_scale(),
        })
    }

    /// Hidden states of whole source sequences: T ids → [T, C]. Differentiable.
    ///
    /// # Panics
    /// If an id is not below V.
    pub fn encode(&self, ids: &[u32], sources: &Segments) -> Tensor<2> {
        let places = self.positions.of_sequences(ids, sources);
        self.encoder.forward(self.embed(ids, &places), sources)
    }

    /// What the decoder attends to, for each source in the hidden states [T, C] of
    /// [`M2m100::encode`].
    pub fn encoded(&self, hidden: Tensor<2>, sources: &Segments) -> Vec<Encoded> {
        self.decoder.encoded(hidden, sources)
    }

    /// Last hidden states of whole target sequences: T ids → [T, C]; target i attends to
    /// `sources[i]`. Nothing is cached; differentiable where the model is.
    pub fn decode(&self, ids: &[u32], targets: &Segments, sources: &[&Encoded]) -> Tensor<2> {
        let places = self.positions.of_sequences(ids, targets);
        self.decoder
            .forward(self.embed(ids, &places), targets, sources)
    }

    /// Last hidden states of one more token for each beam: T ids → [T, C]. Segment i of `beams`
    /// holds the beams of search `slots[i]`, which attend to `sources[i]`. After it,
    /// [`BeamCache::advance`] ends the step.
    pub fn decode_beams(
        &self,
        ids: &[u32],
        beams: &Segments,
        sources: &[&Encoded],
        cache: &mut BeamCache,
        slots: &[Slot],
    ) -> Tensor<2> {
        let lengths = beams.iter().zip(slots);
        let lengths = lengths.flat_map(|(range, &slot)| vec![cache.length(slot); range.len()]);
        let places = self.positions.of_next(ids, lengths);
        self.decoder
            .forward_beams(self.embed(ids, &places), beams, sources, cache, slots)
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.shared.device()
    }

    /// Logits [T, V] of hidden states [T, C].
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        match (&self.lm_head, &self.packed_table) {
            (Some(head), _) => head.forward(hidden),
            (None, Some(table)) => table.forward(hidden),
            (None, None) => kernels::linear(hidden, self.shared.val(), None),
        }
    }

    /// The most probable tokens after hidden states; see [`kernels::top_tokens()`].
    pub fn top_tokens(
        &self,
        hidden: Tensor<2>,
        count: usize,
        apart: &[Vec<u32>],
    ) -> Vec<TopTokens> {
        let head = match &self.lm_head {
            Some(head) => head.packed_form(),
            None => self.packed_table.as_ref(),
        };
        match head {
            Some(head) => kernels::top_tokens(head, hidden, count, apart),
            None => kernels::top_tokens::top_of_logits(self.logits(hidden), count, apart),
        }
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> BeamCache {
        BeamCache::new(self.decoder.layers.len())
    }

    /// Scaled rows of the token table plus positions: [T, C].
    fn embed(&self, ids: &[u32], places: &[u32]) -> Tensor<2> {
        let rows = match &self.packed_table {
            Some(table) => table.rows(ids),
            None => kernels::embedding(self.shared.val(), ids),
        };
        let positions = self.positions.rows(places, &rows.device());
        rows * self.embedding_scale + positions
    }
}

/// Names of all tensors of a model of this shape, as Hugging Face stores them.
pub fn tensor_names(config: &M2m100Config) -> Vec<String> {
    let mut names = vec![TABLE[0].to_owned()];
    if !config.tie_word_embeddings {
        names.push("lm_head.weight".into());
    }
    let attention =
        |name: &str| ["q_proj", "k_proj", "v_proj", "out_proj"].map(|p| format!("{name}.{p}"));
    let mut stack = |part: &str, layers: usize, blocks: &[&str]| {
        let mut modules = vec![format!("model.{part}.layer_norm")];
        for index in 0..layers {
            let prefix = format!("model.{part}.layers.{index}");
            for block in blocks {
                modules.extend(attention(&format!("{prefix}.{block}")));
                modules.push(format!("{prefix}.{block}_layer_norm"));
            }
            for layer in ["fc1", "fc2", "final_layer_norm"] {
                modules.push(format!("{prefix}.{layer}"));
            }
        }
        for module in modules {
            names.push(format!("{module}.weight"));
            names.push(format!("{module}.bias"));
        }
    };
    stack("encoder", config.encoder_layers, &["self_attn"]);
    stack(
        "decoder",
        config.decoder_layers,
        &["self_attn", "encoder_attn"],
    );
    names
}
