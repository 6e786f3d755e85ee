//! The encoder half of M2M-100 and NLLB-200 ([`crate::m2m100`]); the decoder is not read.

use std::path::Path;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::Segments;

use super::{Architecture, EncoderShape, EncoderTokenizer};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::language_model::LoadError;
use crate::layers::{Linear, Loader, Pass, WeightForm, run_block};
pub use crate::m2m100::M2m100Config;
use crate::m2m100::{Encoder, TokenTable, TranslationTokenizer};

/// Prefix of the names in checkpoints with an output layer.
const ROOT: &str = "model.";

impl Architecture for M2m100Config {
    type Encoder = M2m100Encoder;

    const MODEL_TYPES: &'static [&'static str] = &["m2m_100"];
    const MARKS_LANGUAGES: bool = true;

    fn from_json(text: &str) -> Result<Self, ConfigError> {
        Self::from_json(text)
    }

    fn shape(&self) -> EncoderShape {
        EncoderShape {
            vocab_size: self.vocab_size,
            hidden_size: self.d_model,
            intermediate_size: self.encoder_ffn_dim,
            layers: self.encoder_layers,
            heads: self.encoder_attention_heads,
            max_tokens: self.max_position_embeddings,
        }
    }

    fn load(&self, loader: Loader<'_>, form: WeightForm) -> Result<M2m100Encoder, CheckpointError> {
        if loader.contains("model.encoder.layer_norm.weight") {
            loader.under(ROOT);
        }
        // The table comes first: it is the largest tensor, and its unpacked copy is freed before
        // the others are read.
        let shared = TokenTable::load(self, &loader, &TokenTable::names(""), form)?;
        let encoder = Encoder::load(self, &loader, "encoder")?;
        loader.finish(|name| !name.contains("encoder.layers."))?;
        Ok(M2m100Encoder { shared, encoder })
    }

    fn tokenizer(&self, directory: &Path) -> Result<EncoderTokenizer, LoadError> {
        let tokenizer = TranslationTokenizer::load(directory, self.eos_token_id)?;
        tokenizer.check_vocabulary(self.vocab_size)?;
        Ok(EncoderTokenizer::marking_languages(
            tokenizer,
            Architecture::shape(self).max_tokens,
        ))
    }
}

/// The encoder with the token table.
#[derive(Module, Debug)]
pub struct M2m100Encoder {
    /// The token table.
    pub shared: TokenTable,
    /// The layers.
    pub encoder: Encoder,
}

impl super::Encoder for M2m100Encoder {
    fn embed(&self, ids: &[u32], _: &[u32], segments: &Segments) -> Tensor<2> {
        self.shared.embed_sequences(ids, segments)
    }

    fn layers(&self) -> usize {
        self.encoder.layers.len()
    }

    fn layer(&self, index: usize, x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        run_block(&self.encoder.layers[index], x, index, pass)
    }

    fn last_norm(&self, x: Tensor<2>) -> Tensor<2> {
        self.encoder.layer_norm.forward(x)
    }

    fn device(&self) -> Device {
        self.shared.weight.device()
    }

    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let layers = self.encoder.layers.iter_mut().enumerate();
        let of_layer = layers.flat_map(|(index, layer)| {
            let linears = layer.linears_mut().into_iter();
            linears.map(move |(name, layer)| (format!("encoder.layers.{index}.{name}"), layer))
        });
        of_layer.collect()
    }
}
