//! The shape of an M2M-100 model, read from `config.json`.

use serde::Deserialize;

use crate::config_error::{ConfigError, check_sizes};

/// The shape of an M2M-100 or NLLB-200 model. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct M2m100Config {
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Width C of the hidden states.
    pub d_model: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Heads of the encoder's attention.
    pub encoder_attention_heads: usize,
    /// Heads of the decoder's attention.
    pub decoder_attention_heads: usize,
    /// Width inside the encoder's feed-forward layers.
    pub encoder_ffn_dim: usize,
    /// Width inside the decoder's feed-forward layers.
    pub decoder_ffn_dim: usize,
    /// Maximum sequence length.
    pub max_position_embeddings: usize,
    /// Whether the rows of the token table are multiplied by √C.
    pub scale_embedding: bool,
    /// Whether the output layer is the token table.
    pub tie_word_embeddings: bool,
    /// The padding token, which has no position.
    pub pad_token_id: u32,
    /// Token that ends a sentence.
    pub eos_token_id: u32,
    /// First token of the decoder.
    pub decoder_start_token_id: u32,
}

/// `config.json` as written.
#[derive(Deserialize)]
struct Written {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    d_model: Option<usize>,
    encoder_layers: Option<usize>,
    decoder_layers: Option<usize>,
    encoder_attention_heads: Option<usize>,
    decoder_attention_heads: Option<usize>,
    encoder_ffn_dim: Option<usize>,
    decoder_ffn_dim: Option<usize>,
    activation_function: Option<String>,
    max_position_embeddings: Option<usize>,
    scale_embedding: Option<bool>,
    tie_word_embeddings: Option<bool>,
    pad_token_id: Option<u32>,
    eos_token_id: Option<u32>,
    decoder_start_token_id: Option<u32>,
    quantization_config: Option<serde_json::Value>,
}

impl M2m100Config {
    /// Reads the text of a `config.json`; defaults are those of Transformers.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let written: Written = serde_json::from_str(text)?;
        if written.model_type.as_deref() != Some("m2m_100") {
            return Err(ConfigError::Unsupported {
                key: "model_type",
                value: (written.model_type).map_or("missing".into(), |name| format!("{name:?}")),
                supported: "use \"m2m_100\", the type of NLLB-200 (600M, 1.3B, 3.3B) and M2M-100",
            });
        }
        if let Some(activation) = &written.activation_function
            && activation != "relu"
        {
            return Err(ConfigError::Unsupported {
                key: "activation_function",
                value: format!("{activation:?}"),
                supported: "the published models use \"relu\"",
            });
        }
        if written.quantization_config.is_some() {
            return Err(ConfigError::Unsupported {
                key: "quantization_config",
                value: "set".into(),
                supported: "use the unquantised checkpoint, which is rounded to the requested precision",
            });
        }
        fn required<T>(value: Option<T>, key: &'static str) -> Result<T, ConfigError> {
            value.ok_or(ConfigError::Missing(key))
        }
        let eos_token_id = written.eos_token_id.unwrap_or(2);
        let config = Self {
            vocab_size: required(written.vocab_size, "vocab_size")?,
            d_model: required(written.d_model, "d_model")?,
            encoder_layers: required(written.encoder_layers, "encoder_layers")?,
            decoder_layers: required(written.decoder_layers, "decoder_layers")?,
            encoder_attention_heads: required(
                written.encoder_attention_heads,
                "encoder_attention_heads",
            )?,
            decoder_attention_heads: required(
                written.decoder_attention_heads,
                "decoder_attention_heads",
            )?,
            encoder_ffn_dim: required(written.encoder_ffn_dim, "encoder_ffn_dim")?,
            decoder_ffn_dim: required(written.decoder_ffn_dim, "decoder_ffn_dim")?,
            max_position_embeddings: written.max_position_embeddings.unwrap_or(1024),
            scale_embedding: written.scale_embedding.unwrap_or(true),
            tie_word_embeddings: written.tie_word_embeddings.unwrap_or(true),
            pad_token_id: written.pad_token_id.unwrap_or(1),
            eos_token_id,
            decoder_start_token_id: written.decoder_start_token_id.unwrap_or(eos_token_id),
        };
        config.check()?;
        Ok(config)
    }

    /// Factor of the token table's rows.
    pub fn embedding_scale(&self) -> f64 {
        match self.scale_embedding {
            true => (self.d_model as f64).sqrt(),
            false => 1.0,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size, 1 << 28),
            ("d_model", self.d_model, 1 << 20),
            ("encoder_layers", self.encoder_layers, 1 << 12),
            ("decoder_layers", self.decoder_layers, 1 << 12),
            (
                "encoder_attention_heads",
                self.encoder_attention_heads,
                1 << 16,
            ),
            (
                "decoder_attention_heads",
                self.decoder_attention_heads,
                1 << 16,
            ),
            ("encoder_ffn_dim", self.encoder_ffn_dim, 1 << 24),
            ("decoder_ffn_dim", self.decoder_ffn_dim, 1 << 24),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 24,
            ),
        ])?;
        for (key, heads) in [
            ("encoder_attention_heads", self.encoder_attention_heads),
            ("decoder_attention_heads", self.decoder_attention_heads),
        ] {
            if !self.d_model.is_multiple_of(heads) {
                return Err(ConfigError::Inconsistent(format!(
                    "`d_model` ({}) is not a multiple of `{key}` ({heads})",
                    self.d_model
                )));
            }
        }
        if self.d_model < 4 {
            return Err(ConfigError::Inconsistent(format!(
                "`d_model` ({}) is too small for sinusoidal positions",
                self.d_model
            )));
        }
        for (key, id) in [
            ("pad_token_id", self.pad_token_id),
            ("eos_token_id", self.eos_token_id),
            ("decoder_start_token_id", self.decoder_start_token_id),
        ] {
            if id as usize >= self.vocab_size {
                return Err(ConfigError::Inconsistent(format!(
                    "`{key}` is {id}, but there are {} tokens",
                    self.vocab_size
                )));
            }
        }
        Ok(())
    }
}
