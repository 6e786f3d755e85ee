//! Errors in a model's configuration.

/// Error returned when a configuration is refused. The message names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not a JSON object of the expected types.
    #[error("not a model configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// The value of a key has the wrong type.
    #[error("not a model configuration: `{key}`: {source}")]
    Type {
        /// The key.
        key: &'static str,
        /// The problem with its value.
        source: serde_json::Error,
    },
    /// A required key is missing.
    #[error("key `{0}` is missing")]
    Missing(&'static str),
    /// A key requires an unsupported feature.
    #[error("`{key}` is {value}, which is not supported; {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The supported values.
        supported: &'static str,
    },
    /// The file contains an unsupported kind of model.
    #[error("`{key}` is {value}, which is not supported; use one of {known}")]
    UnknownModel {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The supported kinds.
        known: String,
    },
    /// Values that contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

/// Fails if one of the `sizes`, given with its key and its maximum, is 0 or larger. A maximum is far
/// above any model, and far below what a malicious file could make us allocate.
pub(crate) fn check_sizes(sizes: &[(&str, usize, usize)]) -> Result<(), ConfigError> {
    let wrong = |&&(_, size, most): &&(&str, usize, usize)| size == 0 || size > most;
    match sizes.iter().find(wrong) {
        None => Ok(()),
        Some((key, 0, _)) => Err(ConfigError::Inconsistent(format!("`{key}` is 0"))),
        Some((key, size, most)) => Err(ConfigError::Inconsistent(format!(
            "`{key}` is {size}, the maximum is {most}"
        ))),
    }
}

impl ConfigError {
    /// The error for a kind of model that is not one of `known`.
    pub(crate) fn unknown_model(key: &'static str, found: Option<&str>, known: &[&[&str]]) -> Self {
        let known: Vec<String> = known
            .concat()
            .iter()
            .map(|name| format!("{name:?}"))
            .collect();
        Self::UnknownModel {
            key,
            value: found.map_or("missing".into(), |name| format!("{name:?}")),
            known: known.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decoders::Config;
    use crate::encoders::bert::BertConfig;

    fn with(model_type: &str, key: &str, value: u64) -> String {
        let mut json = serde_json::json!({
            "model_type": model_type, "vocab_size": 8, "hidden_size": 4, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16,
            "type_vocab_size": 1, "rms_norm_eps": 1e-5, "layer_norm_eps": 1e-5, "pad_token_id": 0,
            "n_embd": 4, "n_head": 2, "n_layer": 1, "n_positions": 16,
        });
        json[key] = value.into();
        json.to_string()
    }

    #[test]
    fn sizes_that_no_machine_could_hold_are_refused_by_name() {
        let huge = 1 << 62;
        for key in ["hidden_size", "intermediate_size", "vocab_size"] {
            let expected = format!("`{key}` is {huge}, the maximum is");
            for refused in [
                BertConfig::from_json(&with("bert", key, huge)).map(drop),
                Config::from_json(&with("llama", key, huge)).map(drop),
            ] {
                let error = refused.expect_err("is refused").to_string();
                assert!(error.starts_with(&expected), "{error}");
            }
        }
        assert!(BertConfig::from_json(&with("bert", "vocab_size", 8)).is_ok());
        let error = Config::from_json(&with("gpt2", "n_head", 3)).map(drop);
        let error = error.expect_err("4 by 3").to_string();
        assert_eq!(error, "`n_embd` (4) is not a multiple of `n_head` (3)");
    }
}
