//! The shape of a Llama-family decoder, read from `config.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Why a configuration is refused. The message names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not a JSON object of the expected types.
    #[error("not a model configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// A needed key is absent.
    #[error("key `{0}` is missing")]
    Missing(&'static str),
    /// A key asks for something that is not built.
    #[error("`{key}` is {value}, which is not supported; {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is.
        supported: &'static str,
    },
    /// Values that contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

/// Which checkpoints' conventions apply where the members of the family differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Llama 2 and 3, SmolLM2, TinyLlama, SeaLLM 1 and other models of `model_type` "llama".
    Llama,
    /// Mistral and SeaLLM 2: Llama without biases, perhaps with a sliding window.
    Mistral,
    /// Qwen 2 and 2.5, SeaLLMs 3: Llama with biases on the query, key and value layers.
    Qwen2,
}

impl Family {
    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
        }
    }

    /// Class name in `architectures` of `config.json`.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
        }
    }
}

/// How rotary frequencies are stretched to longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// All frequencies divided by `factor` (Chen et al. 2023, arXiv 2306.15595).
    Linear {
        /// Stretch of the context.
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, a ramp between: Llama 3.1 and later.
    Llama3 {
        /// Stretch of the context.
        factor: f64,
        /// Wavelengths above original context / this are stretched fully.
        low_freq_factor: f64,
        /// Wavelengths below original context / this are kept.
        high_freq_factor: f64,
        /// Context the model was first trained with.
        original_max_position_embeddings: usize,
    },
    /// An explicit divisor of each frequency, as GGUF's `rope_freqs.weight` holds them.
    Divisors(Vec<f32>),
}

/// The shape of a decoder of the Llama family. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// Conventions of the checkpoint.
    pub family: Family,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Width C of the hidden states.
    pub hidden_size: usize,
    /// Width F inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads H.
    pub num_attention_heads: usize,
    /// Key and value heads; a divisor of H (grouped-query attention).
    pub num_key_value_heads: usize,
    /// Size D of a head.
    pub head_dim: usize,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Stretch of the rotary frequencies.
    pub rope_scaling: Option<RopeScaling>,
    /// Longest sequence the model is meant for.
    pub max_position_embeddings: usize,
    /// Whether the output layer is the token table.
    pub tie_word_embeddings: bool,
    /// Bias on the query, key and value layers.
    pub qkv_bias: bool,
    /// Bias on the output layer of attention.
    pub output_bias: bool,
    /// Bias on the layers of the MLP.
    pub mlp_bias: bool,
    /// First token of a text, where there is one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a generation.
    pub eos_token_ids: Vec<u32>,
}

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
            rope_scaling: rope_scaling(&rope)?,
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

    /// Fails where sizes cannot belong to one model.
    pub fn check(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ConfigError::Inconsistent(format!("`{key}` is 0")));
        }
        // Far above any model, far below what a lying file could make us allocate.
        let limits = [
            ("num_hidden_layers", self.num_hidden_layers, 1 << 12),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("head_dim", self.head_dim, 1 << 16),
        ];
        if let Some((key, size, limit)) = limits.iter().find(|(_, size, limit)| size > limit) {
            return Err(ConfigError::Inconsistent(format!(
                "`{key}` is {size}, more than {limit}"
            )));
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return Err(ConfigError::Inconsistent(format!(
                "`num_attention_heads` ({}) is not a multiple of `num_key_value_heads` ({})",
                self.num_attention_heads, self.num_key_value_heads
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(ConfigError::Inconsistent(format!(
                "`head_dim` ({}) is odd: rotary embedding pairs its dimensions",
                self.head_dim
            )));
        }
        if let Some(RopeScaling::Divisors(divisors)) = &self.rope_scaling
            && divisors.len() != self.head_dim / 2
        {
            return Err(ConfigError::Inconsistent(format!(
                "{} rotary frequency divisors for heads of {}",
                divisors.len(),
                self.head_dim
            )));
        }
        Ok(())
    }

    /// Rotary frequencies of the head_dim / 2 pairs, scaling applied.
    pub fn inverse_frequencies(&self) -> Vec<f32> {
        let plain = (0..self.head_dim / 2)
            .map(|i| 1.0 / self.rope_theta.powf(2.0 * i as f64 / self.head_dim as f64));
        match &self.rope_scaling {
            None => plain.map(|frequency| frequency as f32).collect(),
            Some(RopeScaling::Divisors(divisors)) => plain
                .zip(divisors)
                .map(|(f, divisor)| f as f32 / divisor)
                .collect(),
            Some(RopeScaling::Linear { factor }) => plain.map(|f| (f / factor) as f32).collect(),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            }) => plain
                .map(|frequency| {
                    let wavelength = std::f64::consts::TAU / frequency;
                    // Turns of this frequency within the original context.
                    let turns = *original as f64 / wavelength;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (frequency * (kept + (1.0 - kept) / factor)) as f32
                })
                .collect(),
        }
    }

    /// The `config.json` that Transformers reads; `dtype` is that of the stored weights.
    ///
    /// Explicit frequency divisors have no counterpart there and are an error.
    pub fn to_json(&self, dtype: &str) -> Result<Value, ConfigError> {
        let scaling = match &self.rope_scaling {
            None => Value::Null,
            Some(RopeScaling::Linear { factor }) => {
                json!({"rope_type": "linear", "factor": factor})
            }
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
            Some(RopeScaling::Divisors(_)) => {
                return Err(ConfigError::Unsupported {
                    key: "rope_freqs.weight",
                    value: "a set of divisors that no scheme of Transformers gives".into(),
                    supported: "export from the model's Hugging Face directory instead",
                });
            }
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

/// Reads `rope_scaling` (`type` in old files) or the same keys in `rope_parameters`.
fn rope_scaling(written: &Map<String, Value>) -> Result<Option<RopeScaling>, ConfigError> {
    let number = |key: &'static str| {
        written
            .get(key)
            .and_then(Value::as_f64)
            .ok_or(ConfigError::Missing(key))
    };
    let kind = written
        .get("rope_type")
        .or_else(|| written.get("type"))
        .and_then(Value::as_str);
    match kind {
        // Dynamic scaling acts on sequences beyond the trained context only, which are refused.
        None | Some("default" | "dynamic") => Ok(None),
        Some("linear") => Ok(Some(RopeScaling::Linear {
            factor: number("factor")?,
        })),
        Some("llama3") => Ok(Some(RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: number("original_max_position_embeddings")? as usize,
        })),
        Some(other) => Err(ConfigError::Unsupported {
            key: "rope_scaling",
            value: format!("{other:?}"),
            supported: "read are \"default\", \"linear\", \"dynamic\" and \"llama3\"",
        }),
    }
}
