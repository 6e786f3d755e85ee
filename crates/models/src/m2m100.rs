//! M2M-100 and NLLB-200: many-to-many translation (Fan et al. 2020, arXiv 2010.11125; NLLB team
//! 2022, arXiv 2207.04672). Reference: `modeling_m2m_100.py` of Transformers.
//!
//! Fields are named as the tensors in Hugging Face checkpoints. Shapes: T tokens of all sequences
//! laid end to end, C hidden, F inside the feed-forward layers, H heads of size D, V vocabulary.

mod config;
mod decoder;
mod encoder;
mod feed_forward;
mod positions;
mod random;
mod token_table;
mod tokenizer;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::{BeamCache, KeyValues, Precision, Segments, Slot, TopTokens};

pub use config::M2m100Config;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub(crate) use positions::positions_after_padding;
pub use token_table::TokenTable;
pub use tokenizer::{TranslationTokenizer, TranslationTokenizerError};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::layers::{Linear, Loader, MultiHeadAttention, WeightForm};

/// ε of all norms.
const EPSILON: f64 = 1e-5;

/// Name of the output layer; checkpoints that tie it to the token table may contain a copy.
const OUTPUT: &str = "lm_head.weight";

/// An encoder, a decoder and the token table that both share with the output layer.
#[derive(Module, Debug)]
pub struct M2m100 {
    /// The token table.
    pub shared: TokenTable,
    /// Reads the source.
    pub encoder: Encoder,
    /// Writes the target.
    pub decoder: Decoder,
    /// Output layer; `None` if it is the token table.
    pub lm_head: Option<Linear>,
}

/// Keys and values of encoded sequences, for each decoder layer.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `layers[i]` contains what layer i attends to.
    pub(crate) layers: Vec<KeyValues>,
}

impl M2m100 {
    /// Reads a model of this shape for training or comparison. Missing tensors, wrong shapes and
    /// unknown tensors are errors.
    pub fn load(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_as(config, checkpoint, WeightForm::Parameters, device)
    }

    /// Reads a model for inference. Each weight is packed as soon as it is read, so the model is in
    /// memory only once. It can be neither trained nor saved.
    pub fn load_packed(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        format: Precision,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::load_as(config, checkpoint, WeightForm::Packed(format), device)
    }

    fn load_as(
        config: &M2m100Config,
        checkpoint: &dyn Checkpoint,
        form: WeightForm,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        let loader = Loader::new(checkpoint, device, hold);
        let shape = [config.vocab_size, config.d_model];
        // The table comes first: it is the largest tensor, and its unpacked copy is freed before
        // the others are read.
        let mut names = TokenTable::names("model.");
        names.push(OUTPUT.to_owned());
        let shared = TokenTable::load(config, &loader, &names, form)?;
        let lm_head = match config.tie_word_embeddings {
            true => None,
            false => Some(loader.linear("lm_head", shape, false)?),
        };
        let model = Self {
            shared,
            encoder: Encoder::load(config, &loader, "model.encoder")?,
            decoder: Decoder::load(config, &loader)?,
            lm_head,
        };
        loader.finish(|name| {
            names.iter().any(|known| known == name)
                // Buffers of older versions.
                || name.ends_with("embed_positions.weights")
                || name.ends_with("coder.version")
                || name.ends_with("_float_tensor")
        })?;
        Ok(model)
    }

    /// Hidden states of whole source sequences: T ids → [T, C]. Differentiable.
    ///
    /// # Panics
    /// If an id is not below V.
    pub fn encode(&self, ids: &[u32], sources: &Segments) -> Tensor<2> {
        let embedded = self.shared.embed_sequences(ids, sources);
        self.encoder.forward(embedded, sources)
    }

    /// The keys and values of each source, from the hidden states [T, C] of [`M2m100::encode`].
    pub fn encoded(&self, hidden: Tensor<2>, sources: &Segments) -> Vec<Encoded> {
        self.decoder.encoded(hidden, sources)
    }

    /// Last hidden states of whole target sequences: T ids → [T, C]. Target i attends to
    /// `sources[i]`. Nothing is cached; differentiable if the model is.
    pub fn decode(&self, ids: &[u32], targets: &Segments, sources: &[&Encoded]) -> Tensor<2> {
        let embedded = self.shared.embed_sequences(ids, targets);
        self.decoder.forward(embedded, targets, sources)
    }

    /// Last hidden states of one more token for each beam: T ids → [T, C]. Segment i of `beams`
    /// contains the beams of search `slots[i]`, which attend to `sources[i]`. Afterwards,
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
        let places = self.shared.positions.of_next(ids, lengths);
        let embedded = self.shared.embed(ids, &places);
        self.decoder
            .forward_beams(embedded, beams, sources, cache, slots)
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.shared.weight.device()
    }

    /// Logits [T, V] of hidden states [T, C].
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        match (&self.lm_head, &self.shared.packed) {
            (Some(head), _) => head.forward(hidden),
            (None, Some(table)) => table.forward(hidden),
            (None, None) => kernels::linear(hidden, self.shared.weight.val(), None),
        }
    }

    /// The most probable next tokens of hidden states; see [`kernels::top_tokens()`].
    pub fn top_tokens(
        &self,
        hidden: Tensor<2>,
        count: usize,
        apart: &[Vec<u32>],
    ) -> Vec<TopTokens> {
        let head = match &self.lm_head {
            Some(head) => head.packed_form(),
            None => self.shared.packed.as_ref(),
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
}

/// Reads the attention layer `name` with C and H.
fn attention(
    loader: &Loader<'_>,
    name: &str,
    width: usize,
    heads: usize,
) -> Result<MultiHeadAttention, CheckpointError> {
    let parts = ["q_proj", "k_proj", "v_proj", "out_proj"];
    MultiHeadAttention::load(
        loader,
        parts.map(|part| format!("{name}.{part}")),
        width,
        heads,
    )
}
