//! A model's configuration as the metadata of a GGUF file, for llama.cpp.

use super::Shape;
use crate::config_error::ConfigError;
use crate::gguf::Value;
use crate::layers::RopeScaling;

/// What llama.cpp reads of a configuration. What it cannot compute is refused by name: it would
/// ignore it and answer wrongly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GgufMetadata {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// Values, with their keys after the architecture.
    pub keys: Vec<(&'static str, Value)>,
    /// Divisors of the rotary frequencies, a tensor of its own.
    pub rope_divisors: Option<Vec<f32>>,
}

impl GgufMetadata {
    /// The sizes.
    pub fn of_shape(architecture: &'static str, shape: &Shape) -> Self {
        let size = |size: usize| Value::Integer(size as i64);
        Self {
            architecture,
            keys: vec![
                ("vocab_size", size(shape.vocab_size)),
                ("context_length", size(shape.max_position_embeddings)),
                ("embedding_length", size(shape.hidden_size)),
                ("block_count", size(shape.num_hidden_layers)),
                ("feed_forward_length", size(shape.intermediate_size)),
                ("attention.head_count", size(shape.num_attention_heads)),
                ("attention.head_count_kv", size(shape.num_key_value_heads)),
                ("attention.key_length", size(shape.head_dim)),
                ("attention.value_length", size(shape.head_dim)),
            ],
            rope_divisors: None,
        }
    }

    /// Adds a whole number.
    pub fn size(&mut self, key: &'static str, size: usize) {
        self.keys.push((key, Value::Integer(size as i64)));
    }

    /// Adds a number.
    pub fn number(&mut self, key: &'static str, number: f64) {
        self.keys.push((key, Value::Float(number)));
    }

    /// llama.cpp computes no sliding windows in this architecture: the context ends where they
    /// begin to matter.
    pub fn end_context_at(&mut self, window: usize) {
        for (key, value) in &mut self.keys {
            if let ("context_length", Value::Integer(length)) = (*key, value) {
                *length = (*length).min(window as i64);
            }
        }
    }

    /// Adds the rotary frequencies of a model of this shape.
    pub fn rotary(&mut self, shape: &Shape, theta: f64, scaling: Option<&RopeScaling>) {
        self.size("rope.dimension_count", shape.head_dim);
        self.number("rope.freq_base", theta);
        if let Some(RopeScaling::Linear { factor }) = scaling {
            let kind = Value::Text("linear".into());
            self.keys.push(("rope.scaling.type", kind));
            self.number("rope.scaling.factor", *factor);
        }
        self.rope_divisors = scaling.and_then(|scaling| scaling.divisors(theta, shape.head_dim));
    }

    /// Fails if there are divisors, which llama.cpp applies in the architecture `llama` alone.
    pub fn without_divisors(self) -> Result<Self, ConfigError> {
        match self.rope_divisors {
            None => Ok(self),
            Some(_) => Err(cannot(
                "rope_scaling",
                "\"llama3\"",
                "llama.cpp applies it in models of the type \"llama\" alone",
            )),
        }
    }
}

/// The error for a setting that llama.cpp has no counterpart of.
pub(super) fn cannot(
    key: &'static str,
    value: impl ToString,
    supported: &'static str,
) -> ConfigError {
    ConfigError::Unsupported {
        key,
        value: value.to_string(),
        supported,
    }
}
