//! The shape of an encoder, read from `config.json` or derived from its tensors.

use kernels::{Activation, Segments};
use serde::Deserialize;

use super::TOKEN_TABLE;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config_error::{ConfigError, check_sizes};
use crate::m2m100::positions_after_padding;

/// The shape of a BERT-like encoder. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Rows of the token table V.
    pub vocab_size: usize,
    /// Width C of the hidden states.
    pub hidden_size: usize,
    /// Width F inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads H.
    pub num_attention_heads: usize,
    /// Rows of the position table P; the first ones, up to the padding id, are never used.
    pub max_position_embeddings: usize,
    /// Rows of the token type table.
    pub type_vocab_size: usize,
    /// ε of the layer norms.
    pub layer_norm_eps: f64,
    /// Activation inside the feed-forward layers.
    pub hidden_act: Activation,
    /// The numbers of positions.
    pub positions: Positions,
}

/// How the tokens of a sequence are numbered for the position table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// From 0, as in BERT.
    FromZero,
    /// From the id of the padding token + 1, as in RoBERTa; padding tokens are not counted.
    AfterPadding(u32),
}

impl Positions {
    /// The position of a sequence's first token.
    fn first(self) -> usize {
        match self {
            Self::FromZero => 0,
            Self::AfterPadding(id) => id as usize + 1,
        }
    }

    /// The position of each token.
    pub fn of_sequences(self, ids: &[u32], segments: &Segments) -> Vec<u32> {
        match self {
            Self::FromZero => segments.positions(),
            Self::AfterPadding(id) => positions_after_padding(ids, segments, id),
        }
    }
}

/// The types of the encoders of this architecture.
pub(super) const MODEL_TYPES: &[&str] = &["bert", "xlm-roberta", "roberta", "camembert"];

/// `config.json` as written.
#[derive(Deserialize)]
struct Written {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    pad_token_id: Option<u32>,
    position_embedding_type: Option<String>,
}

/// Head size of every published XLM-R and InfoXLM of this architecture.
const HEAD_DIM: usize = 64;

impl BertConfig {
    /// Reads the text of a `config.json`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        fn required<T>(value: Option<T>, key: &'static str) -> Result<T, ConfigError> {
            value.ok_or(ConfigError::Missing(key))
        }
        let written: Written = serde_json::from_str(text)?;
        let found = written.model_type.as_deref();
        let positions = match found {
            Some("bert") => Positions::FromZero,
            Some(name) if MODEL_TYPES.contains(&name) => {
                Positions::AfterPadding(written.pad_token_id.unwrap_or(1))
            }
            _ => {
                let known = &[MODEL_TYPES];
                return Err(ConfigError::unknown_model("model_type", found, known));
            }
        };
        let hidden_act = match written.hidden_act.as_deref() {
            None | Some("gelu") => Activation::Gelu,
            Some("gelu_new" | "gelu_pytorch_tanh") => Activation::GeluTanh,
            Some("relu") => Activation::Relu,
            Some(other) => {
                return Err(ConfigError::Unsupported {
                    key: "hidden_act",
                    value: format!("{other:?}"),
                    supported: "use \"gelu\", \"gelu_new\" or \"relu\"",
                });
            }
        };
        if let Some(kind) = &written.position_embedding_type
            && kind != "absolute"
        {
            return Err(ConfigError::Unsupported {
                key: "position_embedding_type",
                value: format!("{kind:?}"),
                supported: "use \"absolute\"",
            });
        }
        let config = Self {
            vocab_size: required(written.vocab_size, "vocab_size")?,
            hidden_size: required(written.hidden_size, "hidden_size")?,
            intermediate_size: required(written.intermediate_size, "intermediate_size")?,
            num_hidden_layers: required(written.num_hidden_layers, "num_hidden_layers")?,
            num_attention_heads: required(written.num_attention_heads, "num_attention_heads")?,
            max_position_embeddings: required(
                written.max_position_embeddings,
                "max_position_embeddings",
            )?,
            type_vocab_size: written.type_vocab_size.unwrap_or(2),
            layer_norm_eps: written.layer_norm_eps.unwrap_or(1e-12),
            hidden_act,
            positions,
        };
        config.check()?;
        Ok(config)
    }

    /// The shape of the encoder stored in `checkpoint` under `prefix`, if there is no
    /// `config.json`: sizes are those of the tensors; heads of 64, ε of 1e-5 and padding id 1 are
    /// those of every published model of this kind.
    pub fn of_tensors(checkpoint: &dyn Checkpoint, prefix: &str) -> Result<Self, CheckpointError> {
        let rows_and_width = |name: &str| {
            let name = format!("{prefix}{name}");
            match checkpoint.shape(&name).as_deref() {
                Some(&[rows, width]) => Ok((rows, width)),
                Some(shape) => Err(CheckpointError::file(
                    checkpoint.path(),
                    format!("tensor `{name}` has shape {shape:?}, but must be a matrix"),
                )),
                None => Err(CheckpointError::Missing {
                    path: checkpoint.path(),
                    name,
                }),
            }
        };
        let (vocab_size, hidden_size) = rows_and_width(TOKEN_TABLE)?;
        let (max_position_embeddings, _) = rows_and_width("embeddings.position_embeddings.weight")?;
        let (type_vocab_size, _) = rows_and_width("embeddings.token_type_embeddings.weight")?;
        let (intermediate_size, _) = rows_and_width("encoder.layer.0.intermediate.dense.weight")?;
        let mut num_hidden_layers = 0;
        let query =
            |index: usize| format!("{prefix}encoder.layer.{index}.attention.self.query.weight");
        while checkpoint.contains(&query(num_hidden_layers)) {
            num_hidden_layers += 1;
        }
        let config = Self {
            vocab_size,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads: hidden_size / HEAD_DIM,
            max_position_embeddings,
            type_vocab_size,
            layer_norm_eps: 1e-5,
            hidden_act: Activation::Gelu,
            positions: Positions::AfterPadding(1),
        };
        config.check().map_err(|error| {
            CheckpointError::file(
                checkpoint.path(),
                format!("{error}; put the config.json of its encoder next to it"),
            )
        })?;
        Ok(config)
    }

    /// Maximum sequence length for which there are positions, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.positions.first())
    }

    fn check(&self) -> Result<(), ConfigError> {
        // A model without blocks is allowed.
        let layers = self.num_hidden_layers.max(1);
        check_sizes(&[
            ("vocab_size", self.vocab_size, 1 << 28),
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 24),
            ("num_hidden_layers", layers, 1 << 12),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("type_vocab_size", self.type_vocab_size, 1 << 16),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 26,
            ),
        ])?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(ConfigError::Inconsistent(format!(
                "`hidden_size` ({}) is not a multiple of `num_attention_heads` ({})",
                self.hidden_size, self.num_attention_heads
            )));
        }
        if self.max_tokens() < 8 {
            return Err(ConfigError::Inconsistent(format!(
                "`max_position_embeddings` is {}, of which the first {} are never used",
                self.max_position_embeddings,
                self.positions.first()
            )));
        }
        Ok(())
    }
}
