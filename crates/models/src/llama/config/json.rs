//! The shape as `config.json` of Transformers has it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ConfigError, Family, LlamaConfig};
use crate::llama::rope_scaling::RopeScaling;

/// `config.json` as written.
#[derive(Deserialize)]
struct Written {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: Option<String>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Map<String, Value>>,
    /// Transformers 5 writes `rope_theta` and the scaling in here.
    rope_parameters: Option<Map<String, Value>>,
    max_position_embeddings: Option<usize>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<TokenIds>,
}

/// A token id or a list of them, as `eos_token_id` is written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenIds {
    One(u32),
    Many(Vec<u32>),
}

impl TokenIds {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

impl LlamaConfig {
    /// Reads the text of a `config.json`; defaults are those of Transformers.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let written: Written = serde_json::from_str(text)?;
        let family = match written.model_type.as_deref() {
            Some("llama") => Family::Llama,
            Some("mistral") => Family::Mistral,
            Some("qwen2") => Family::Qwen2,
            other => {
                return Err(ConfigError::Unsupported {
                    key: "model_type",
                    value: other.map_or("missing".into(), |name| format!("{name:?}")),
                    supported: "read are \"llama\", \"mistral\" and \"qwen2\"",
                });
            }
        };
        if let Some(activation) = &written.hidden_act
            && activation != "silu"
        {
            return Err(ConfigError::Unsupported {
                key: "hidden_act",
                value: format!("{activation:?}"),
                supported: "the MLP of this family uses \"silu\"",
            });
        }
        if written.quantization_config.is_some() {
            return Err(ConfigError::Unsupported {
                key: "quantization_config",
                value: "set".into(),
                supported: "use the unquantised checkpoint or a GGUF file of it",
            });
        }
        if written
            .partial_rotary_factor
            .is_some_and(|factor| factor != 1.0)
        {
            return Err(ConfigError::Unsupported {
                key: "partial_rotary_factor",
                value: "not 1".into(),
                supported: "heads are rotated whole",
            });
        }

        fn required<T>(value: Option<T>, key: &'static str) -> Result<T, ConfigError> {
            value.ok_or(ConfigError::Missing(key))
        }
        let hidden_size = required(written.hidden_size, "hidden_size")?;
        let heads = required(written.num_attention_heads, "num_attention_heads")?;
        let attention_bias = written.attention_bias.unwrap_or(false);
        let rope = written
            .rope_parameters
            .or(written.rope_scaling)
            .unwrap_or_default();
        let rope_theta = rope
            .get("rope_theta")
            .and_then(Value::as_f64)
            .or(written.rope_theta)
            .unwrap_or(10_000.0);
        let max_position_embeddings =
            required(written.max_position_embeddings, "max_position_embeddings")?;
        // Within the window, a sliding window changes nothing: the context is cut to it instead.
        let window = match (family, written.use_sliding_window) {
            (_, Some(false)) | (Family::Llama, None) => None,
            (Family::Qwen2, None) => None,
            _ => written.sliding_window,
        };
        let config = Self {
            family,
            vocab_size: required(written.vocab_size, "vocab_size")?,
            hidden_size,
            intermediate_size: required(written.intermediate_size, "intermediate_size")?,
            num_hidden_layers: required(written.num_hidden_layers, "num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: written.num_key_value_heads.unwrap_or(heads),
            head_dim: written.head_dim.unwrap_or(hidden_size / heads.max(1)),
            rms_norm_eps: written.rms_norm_eps.unwrap_or(1e-6),
            rope_theta,
            rope_scaling: RopeScaling::from_json(&rope)?,
            max_position_embeddings: window.map_or(max_position_embeddings, |window| {
                window.min(max_position_embeddings)
            }),
            tie_word_embeddings: written.tie_word_embeddings.unwrap_or(false),
            qkv_bias: attention_bias || family == Family::Qwen2,
            output_bias: attention_bias && family == Family::Llama,
            mlp_bias: written.mlp_bias.unwrap_or(false) && family == Family::Llama,
            bos_token_id: written.bos_token_id,
            eos_token_ids: written
                .eos_token_id
                .map(TokenIds::into_vec)
                .unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    /// The `config.json` that Transformers reads; `dtype` is that of the stored weights.
    ///
    /// Explicit frequency divisors have no counterpart there and are an error.
    pub fn to_json(&self, dtype: &str) -> Result<Value, ConfigError> {
        let scaling = match &self.rope_scaling {
            Some(scaling) => scaling.to_json()?,
            None => Value::Null,
        };
        let mut json = json!({
            "architectures": [self.family.architecture()],
            "model_type": self.family.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": scaling,
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": match self.eos_token_ids.as_slice() {
                [] => Value::Null,
                [id] => json!(id),
                ids => json!(ids),
            },
            "dtype": dtype,
            "torch_dtype": dtype,
        });
        match self.family {
            Family::Llama => {
                json["attention_bias"] = json!(self.qkv_bias);
                json["mlp_bias"] = json!(self.mlp_bias);
            }
            Family::Mistral => json["sliding_window"] = Value::Null,
            Family::Qwen2 => json["use_sliding_window"] = json!(false),
        }
        Ok(json)
    }
}
