//! Reads a model's configuration from the metadata of a GGUF file.

use super::Shape;
use crate::config_error::ConfigError;
use crate::gguf::{Gguf, GgufError};
use crate::layers::RopeScaling;

/// Error returned when a GGUF file contains no supported model.
#[derive(Debug, thiserror::Error)]
pub enum GgufConfigError {
    /// The file or its metadata.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The configuration in it.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The metadata of a file; its keys begin with the architecture.
pub(super) struct ConfigGguf<'a> {
    pub file: &'a Gguf,
    pub architecture: String,
}

impl<'a> ConfigGguf<'a> {
    pub fn new(file: &'a Gguf) -> Result<Self, GgufError> {
        let key = "general.architecture";
        let architecture = file.text(key)?.ok_or_else(|| file.missing(key))?.to_owned();
        Ok(Self { file, architecture })
    }

    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    pub fn size(&self, name: &str) -> Result<Option<usize>, GgufError> {
        self.file.unsigned(&self.key(name))
    }

    pub fn required_size(&self, name: &str) -> Result<usize, GgufError> {
        self.size(name)?
            .ok_or_else(|| self.file.missing(self.key(name)))
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>, GgufError> {
        self.file.float(&self.key(name))
    }

    /// ε of the norms. GGUF stores it as f32; the shortest decimal representation of that f32 is
    /// the number in the original file.
    pub fn epsilon(&self, name: &str) -> Result<f64, GgufError> {
        let value = self
            .number(name)?
            .ok_or_else(|| self.file.missing(self.key(name)))?;
        Ok((value as f32).to_string().parse().unwrap_or(value))
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.file.tensors().contains_key(tensor)
    }

    /// The scaling of rotary frequencies named in the metadata. As in llama.cpp, a factor without a
    /// type is linear, files of 2023 have `rope.scale_linear`, and a factor of 0 is none.
    pub fn rope_scaling(&self) -> Result<Option<RopeScaling>, GgufConfigError> {
        let factor = match self.number("rope.scaling.factor")? {
            None => self.number("rope.scale_linear")?,
            factor => factor,
        };
        let factor = factor.filter(|factor| *factor != 0.0).unwrap_or(1.0);
        if !(factor.is_finite() && factor > 0.0) {
            return Err(ConfigError::Inconsistent(format!(
                "the rotary scaling factor is {factor}; it must be a positive number"
            ))
            .into());
        }
        match self.file.text(&self.key("rope.scaling.type"))? {
            None if factor == 1.0 => Ok(None),
            Some("none") => Ok(None),
            None | Some("linear") => Ok(Some(RopeScaling::Linear { factor })),
            Some(other) => Err(ConfigError::Unsupported {
                key: "rope.scaling.type",
                value: format!("{other:?}"),
                supported: "use \"none\", \"linear\" or the divisors of Llama 3",
            }
            .into()),
        }
    }

    /// The sizes, checked.
    pub fn shape(&self, mlp_matrices: usize) -> Result<Shape, GgufConfigError> {
        if self.size("expert_count")?.is_some_and(|count| count > 0) {
            return Err(ConfigError::Unsupported {
                key: "expert_count",
                value: "above 0".into(),
                supported: "mixture-of-experts models are not supported",
            }
            .into());
        }
        let hidden_size = self.required_size("embedding_length")?;
        let heads = self.required_size("attention.head_count")?;
        let vocab_size = match self.file.tensors().get("token_embd.weight") {
            Some(info) if info.shape.len() == 2 => info.shape[0],
            _ => {
                let message = "tensor `token_embd.weight` is missing or not a matrix".into();
                return Err(ConfigError::Inconsistent(message).into());
            }
        };
        let token = |name: &str| {
            let id = self.file.unsigned(name);
            id.map(|id| id.map(|id| id as u32))
        };
        let mut eos_token_ids = Vec::new();
        for name in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            eos_token_ids.extend(token(name)?.filter(|id| !eos_token_ids.contains(id)));
        }
        let shape = Shape {
            vocab_size,
            hidden_size,
            intermediate_size: self.required_size("feed_forward_length")?,
            num_hidden_layers: self.required_size("block_count")?,
            num_attention_heads: heads,
            num_key_value_heads: self.size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim: match self.size("attention.key_length")? {
                Some(size) => size,
                None => hidden_size / heads.max(1),
            },
            max_position_embeddings: self.required_size("context_length")?,
            tie_word_embeddings: !self.has("output.weight"),
            mlp_matrices,
            bos_token_id: token("tokenizer.ggml.bos_token_id")?,
            eos_token_ids,
        };
        shape.check()?;
        if let Some(rotated) = self.size("rope.dimension_count")?
            && rotated != shape.head_dim
        {
            return Err(ConfigError::Unsupported {
                key: "rope.dimension_count",
                value: rotated.to_string(),
                supported: "partial rotary embedding is not supported",
            }
            .into());
        }
        Ok(shape)
    }
}
