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
