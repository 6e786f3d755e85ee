//! The shape of a Llama-family decoder.

mod json;

use serde::{Deserialize, Serialize};

use super::rope_scaling::RopeScaling;
pub(crate) use json::TokenIds;

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

impl LlamaConfig {
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

    /// Number of weights of all blocks.
    pub fn block_weights(&self) -> usize {
        let (width, head) = (self.hidden_size, self.head_dim);
        let (queries, keys) = (self.num_attention_heads, self.num_key_value_heads);
        let attention = 2 * width * queries * head + 2 * width * keys * head;
        self.num_hidden_layers * (attention + 3 * width * self.intermediate_size)
    }

    /// Number of weights of the token table and of the output layer, where that is another.
    pub fn table_weights(&self) -> usize {
        let table = self.vocab_size * self.hidden_size;
        table * if self.tie_word_embeddings { 1 } else { 2 }
    }
}
