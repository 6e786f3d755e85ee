//! A Llama-family model in a GGUF file: its configuration and its tensors by Hugging Face names.

use std::path::PathBuf;

use super::{Gguf, GgufError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::llama::{ConfigError, Family, LlamaConfig, RopeScaling};

/// Tensors of one block: GGUF's name and Hugging Face's.
const BLOCK_TENSORS: [(&str, &str); 9] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
];

/// Tensors outside the blocks.
const OUTER_TENSORS: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// Rotary frequency divisors, which are part of the configuration here.
const ROPE_DIVISORS: &str = "rope_freqs.weight";

impl Gguf {
    /// The configuration in the metadata.
    pub fn llama_config(&self) -> Result<LlamaConfig, LlamaGgufError> {
        let architecture = self
            .text("general.architecture")?
            .ok_or_else(|| self.missing("general.architecture"))?
            .to_owned();
        let family = match architecture.as_str() {
            "llama" => Family::Llama,
            "qwen2" => Family::Qwen2,
            other => {
                return Err(ConfigError::Unsupported {
                    key: "general.architecture",
                    value: format!("{other:?}"),
                    supported: "read are \"llama\" and \"qwen2\"",
                }
                .into());
            }
        };
        let key = |name: &str| format!("{architecture}.{name}");
        let required = |name: &str| -> Result<usize, GgufError> {
            self.unsigned(&key(name))?
                .ok_or_else(|| self.missing(key(name)))
        };
        if self
            .unsigned(&key("expert_count"))?
            .is_some_and(|count| count > 0)
        {
            return Err(ConfigError::Unsupported {
                key: "expert_count",
                value: "above 0".into(),
                supported: "mixture-of-experts models are not built",
            }
            .into());
        }

        let hidden_size = required("embedding_length")?;
        let heads = required("attention.head_count")?;
        let head_dim = match self.unsigned(&key("attention.key_length"))? {
            Some(size) => size,
            None => hidden_size / heads.max(1),
        };
        if let Some(rotated) = self.unsigned(&key("rope.dimension_count"))?
            && rotated != head_dim
        {
            return Err(ConfigError::Unsupported {
                key: "rope.dimension_count",
                value: rotated.to_string(),
                supported: "heads are rotated whole",
            }
            .into());
        }
        let rope_theta = self.float(&key("rope.freq_base"))?.unwrap_or(10_000.0);
        let vocab_size = match self.tensors().get("token_embd.weight") {
            Some(info) if info.shape.len() == 2 => info.shape[0],
            _ => {
                let message = "tensor `token_embd.weight` is missing or no matrix".into();
                return Err(ConfigError::Inconsistent(message).into());
            }
        };
        let has = |name: &str| self.tensors().contains_key(name);
        let token = |name: &str| self.unsigned(name).map(|id| id.map(|id| id as u32));
        let mut eos_token_ids = Vec::new();
        for name in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            eos_token_ids.extend(token(name)?.filter(|id| !eos_token_ids.contains(id)));
        }
        let mut config = LlamaConfig {
            family,
            vocab_size,
            hidden_size,
            intermediate_size: required("feed_forward_length")?,
            num_hidden_layers: required("block_count")?,
            num_attention_heads: heads,
            num_key_value_heads: self
                .unsigned(&key("attention.head_count_kv"))?
                .unwrap_or(heads),
            head_dim,
            rms_norm_eps: shortest(
                self.float(&key("attention.layer_norm_rms_epsilon"))?
                    .ok_or_else(|| self.missing(key("attention.layer_norm_rms_epsilon")))?,
            ),
            rope_theta,
            rope_scaling: None,
            max_position_embeddings: required("context_length")?,
            tie_word_embeddings: !has("output.weight"),
            qkv_bias: has("blk.0.attn_q.bias"),
            output_bias: has("blk.0.attn_output.bias"),
            mlp_bias: has("blk.0.ffn_up.bias"),
            bos_token_id: token("tokenizer.ggml.bos_token_id")?,
            eos_token_ids,
        };
        config.check()?;
        config.rope_scaling = self.rope_scaling(&config, &architecture)?;
        config.check()?;
        Ok(config)
    }

    fn rope_scaling(
        &self,
        config: &LlamaConfig,
        architecture: &str,
    ) -> Result<Option<RopeScaling>, LlamaGgufError> {
        if let Some(info) = self.tensors().get(ROPE_DIVISORS) {
            return Ok(Some(recognise(config, self.values(info))));
        }
        let key = |name: &str| format!("{architecture}.rope.scaling.{name}");
        let factor = self.float(&key("factor"))?.unwrap_or(1.0);
        match self.text(&key("type"))? {
            None | Some("none") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear { factor })),
            Some(other) => Err(ConfigError::Unsupported {
                key: "rope.scaling.type",
                value: format!("{other:?}"),
                supported: "read are \"none\", \"linear\" and the divisors of Llama 3",
            }
            .into()),
        }
    }
}

/// Why a GGUF file holds no model that is built here.
#[derive(Debug, thiserror::Error)]
pub enum LlamaGgufError {
    /// The file or its metadata.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The configuration in it.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// GGUF stores ε as f32; the shortest decimal of that f32 is the number of the original file.
fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// The Llama 3 scheme where the divisors are those of Llama 3.1 (factor 8) or 3.2 (factor 32),
/// so that an exported model carries its name; the divisors themselves otherwise.
fn recognise(config: &LlamaConfig, divisors: Vec<f32>) -> RopeScaling {
    let factor = divisors.iter().copied().fold(1.0, f32::max);
    let scheme = RopeScaling::Llama3 {
        factor: f64::from(factor),
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    let with = |scaling| LlamaConfig {
        rope_scaling: Some(scaling),
        ..config.clone()
    };
    let named = with(scheme.clone()).inverse_frequencies();
    let stored = RopeScaling::Divisors(divisors);
    let same = with(stored.clone())
        .inverse_frequencies()
        .iter()
        .zip(&named)
        .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs());
    if same { scheme } else { stored }
}

/// The tensors of a Llama-family GGUF file.
#[derive(Debug)]
pub struct LlamaCheckpoint<'a> {
    file: &'a Gguf,
    config: &'a LlamaConfig,
}

impl<'a> LlamaCheckpoint<'a> {
    /// The tensors of `file`, which holds a model of this configuration.
    pub fn new(file: &'a Gguf, config: &'a LlamaConfig) -> Self {
        Self { file, config }
    }
}

impl Checkpoint for LlamaCheckpoint<'_> {
    fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }

    fn names(&self) -> Vec<String> {
        self.file
            .tensors()
            .keys()
            .filter(|name| *name != ROPE_DIVISORS)
            .map(|name| hugging_face_name(name).unwrap_or_else(|| name.clone()))
            .collect()
    }

    fn contains(&self, name: &str) -> bool {
        gguf_name(name).is_some_and(|name| self.file.tensors().contains_key(&name))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let info = gguf_name(name)
            .and_then(|name| self.file.tensors().get(&name))
            .ok_or_else(|| CheckpointError::Missing {
                path: self.path(),
                name: name.to_owned(),
            })?;
        if info.shape != shape {
            return Err(CheckpointError::Shape {
                path: self.path(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: info.shape.clone(),
            });
        }
        let values = self.file.values(info);
        // llama.cpp rotates neighbouring dimensions; its converter reorders the rows of a
        // `llama` model for that, so they are put back into Hugging Face's half-split order.
        let heads = match name.rsplit('.').nth(1) {
            Some("q_proj") => self.config.num_attention_heads,
            Some("k_proj") => self.config.num_key_value_heads,
            _ => return Ok(values),
        };
        match self.config.family {
            Family::Llama | Family::Mistral => Ok(half_split(&values, shape[0], heads)),
            Family::Qwen2 => Ok(values),
        }
    }
}

/// Row 2b + a of each head moves to row a·D/2 + b.
fn half_split(values: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    let width = values.len() / rows;
    let head_dim = rows / heads;
    let mut reordered = Vec::with_capacity(values.len());
    for head in 0..heads {
        for row in 0..head_dim {
            let (a, b) = (row / (head_dim / 2), row % (head_dim / 2));
            let start = (head * head_dim + 2 * b + a) * width;
            reordered.extend_from_slice(&values[start..start + width]);
        }
    }
    reordered
}

/// `model.layers.3.mlp.up_proj.weight` → `blk.3.ffn_up.weight`.
fn gguf_name(name: &str) -> Option<String> {
    let (module, part) = name.rsplit_once('.')?;
    if let Some(rest) = module.strip_prefix("model.layers.") {
        let (index, module) = rest.split_once('.')?;
        let (stored, _) = BLOCK_TENSORS.iter().find(|(_, theirs)| *theirs == module)?;
        return Some(format!("blk.{index}.{stored}.{part}"));
    }
    let (stored, _) = OUTER_TENSORS.iter().find(|(_, theirs)| *theirs == module)?;
    Some(format!("{stored}.{part}"))
}

/// The inverse of [`gguf_name`]; `None` for a tensor that the family does not have.
fn hugging_face_name(name: &str) -> Option<String> {
    let (module, part) = name.rsplit_once('.')?;
    if let Some(rest) = module.strip_prefix("blk.") {
        let (index, module) = rest.split_once('.')?;
        let (_, theirs) = BLOCK_TENSORS.iter().find(|(stored, _)| *stored == module)?;
        return Some(format!("model.layers.{index}.{theirs}.{part}"));
    }
    let (_, theirs) = OUTER_TENSORS.iter().find(|(stored, _)| *stored == module)?;
    Some(format!("{theirs}.{part}"))
}
