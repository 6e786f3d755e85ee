//! Reads Transformers' `config.json`, key by key.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::Shape;
use crate::config_error::ConfigError;

/// The object in a `config.json`.
pub(super) struct ConfigJson(Map<String, Value>);

/// A token id or a list of them, as `eos_token_id` is written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a token id or a list of them, each at least 0"
)]
pub(crate) enum TokenIds {
    One(u32),
    Many(Vec<u32>),
    /// What stands for no token in some files.
    None(MinusOne),
}

/// The number -1.
pub(crate) struct MinusOne;

impl<'de> Deserialize<'de> for MinusOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            -1 => Ok(Self),
            other => Err(D::Error::custom(format!("{other} is no token id"))),
        }
    }
}

impl TokenIds {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
            Self::None(_) => Vec::new(),
        }
    }
}

impl ConfigJson {
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// The value of a key; `None` if it is absent or null.
    pub fn get<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, ConfigError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                .map_err(|source| ConfigError::Type { key, source }),
        }
    }

    /// The value of a required key.
    pub fn required<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, ConfigError> {
        self.get(key)?.ok_or(ConfigError::Missing(key))
    }

    /// The value of a key, or Transformers' default.
    pub fn or<T: DeserializeOwned>(&self, key: &'static str, other: T) -> Result<T, ConfigError> {
        Ok(self.get(key)?.unwrap_or(other))
    }

    /// `model_type`.
    pub fn model_type(&self) -> Result<Option<String>, ConfigError> {
        self.get("model_type")
    }

    /// The rotary settings: `rope_scaling`, or `rope_parameters`, as Transformers 5 writes them. If
    /// a file has both, the first counts, as in Transformers (`convert_rope_params_to_dict`).
    pub fn rope(&self) -> Result<Map<String, Value>, ConfigError> {
        let scaling: Map<String, Value> = self.or("rope_scaling", Map::new())?;
        match scaling.is_empty() {
            true => self.or("rope_parameters", Map::new()),
            false => Ok(scaling),
        }
    }

    /// Base of the rotary frequencies, inside or next to the `rope` settings.
    pub fn rope_theta(&self, rope: &Map<String, Value>) -> Result<f64, ConfigError> {
        self.theta(rope, "rope_theta", 10_000.0)
    }

    /// `rope_theta` of the `rope` settings, or the value of `key` next to them.
    pub fn theta(
        &self,
        rope: &Map<String, Value>,
        key: &'static str,
        default: f64,
    ) -> Result<f64, ConfigError> {
        match rope.get("rope_theta") {
            None | Some(Value::Null) => self.positive(key, default),
            Some(theta) => match f64::deserialize(theta) {
                Ok(theta) => positive("rope_theta", theta),
                Err(source) => Err(ConfigError::Type {
                    key: "rope_theta",
                    source,
                }),
            },
        }
    }

    /// The value of a key that must be above 0, or Transformers' default.
    pub fn positive(&self, key: &'static str, other: f64) -> Result<f64, ConfigError> {
        positive(key, self.or(key, other)?)
    }

    /// The sizes of a model with a gated MLP, named as in Llama.
    pub fn shape(&self, tied: bool) -> Result<Shape, ConfigError> {
        let hidden_size = self.required("hidden_size")?;
        let heads = self.required("num_attention_heads")?;
        Ok(Shape {
            vocab_size: self.required("vocab_size")?,
            hidden_size,
            intermediate_size: self.required("intermediate_size")?,
            num_hidden_layers: self.required("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: self.or("num_key_value_heads", heads)?,
            head_dim: self.or("head_dim", hidden_size / heads.max(1))?,
            max_position_embeddings: self.required("max_position_embeddings")?,
            tie_word_embeddings: self.or("tie_word_embeddings", tied)?,
            mlp_matrices: 3,
            bos_token_id: self.get("bos_token_id")?,
            eos_token_ids: self.eos_token_ids()?,
        })
    }

    pub fn eos_token_ids(&self) -> Result<Vec<u32>, ConfigError> {
        let ids: Option<TokenIds> = self.get("eos_token_id")?;
        Ok(ids.map(TokenIds::into_vec).unwrap_or_default())
    }

    /// Fails unless the activation in `key` is `known`, which is also the default.
    pub fn check_activation(
        &self,
        key: &'static str,
        known: &'static str,
    ) -> Result<(), ConfigError> {
        match self.get::<String>(key)? {
            Some(name) if name != known => Err(ConfigError::Unsupported {
                key,
                value: format!("{name:?}"),
                supported: "only the published activation of this model is supported",
            }),
            _ => Ok(()),
        }
    }

    /// Fails if a key is set that changes the computation in an unsupported way, i.e. if its value
    /// is neither null nor `neutral`.
    pub fn check_unset(
        &self,
        keys: &[(&'static str, Value, &'static str)],
    ) -> Result<(), ConfigError> {
        let quantised = (
            "quantization_config",
            Value::Null,
            "use the unquantised checkpoint or a GGUF file of it",
        );
        for (key, neutral, supported) in keys.iter().chain([&quantised]) {
            let value = self.0.get(*key).unwrap_or(&Value::Null);
            if !value.is_null() && value != neutral {
                let value = match value {
                    Value::Object(_) | Value::Array(_) => "set".to_owned(),
                    value => value.to_string(),
                };
                return Err(ConfigError::Unsupported {
                    key,
                    value,
                    supported,
                });
            }
        }
        Ok(())
    }
}

fn positive(key: &'static str, value: f64) -> Result<f64, ConfigError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(ConfigError::Inconsistent(format!(
            "`{key}` is {value}; it must be a number above 0"
        ))),
    }
}

/// The keys of a `config.json` that follow from the sizes, named as in Llama.
pub(super) fn of_shape(shape: &Shape, class: &str, model_type: &str) -> Map<String, Value> {
    let keys = json!({
        "architectures": [class],
        "model_type": model_type,
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.max_position_embeddings,
        "tie_word_embeddings": shape.tie_word_embeddings,
        "bos_token_id": shape.bos_token_id,
        "eos_token_id": one_or_many(&shape.eos_token_ids),
    });
    object(keys)
}

/// Token ids in the form of `eos_token_id`.
pub(crate) fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [] => Value::Null,
        [id] => json!(id),
        ids => json!(ids),
    }
}

/// `value`, which must be an object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}
