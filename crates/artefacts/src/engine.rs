//! The engines that make artefacts.

use serde::{Deserialize, Serialize};

/// The engine that produced a row or an artefact, as manifests and reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineIdentity {
    /// Engine name, e.g. `firefox`, `local-llm`.
    pub engine: String,
    /// Path of the model, as the user wrote it; for a server, the name of its model.
    pub model: String,
    /// Content hash or repository revision of the model's files; empty for a server, which has
    /// none.
    pub revision: String,
    /// Every parameter that changes the output, e.g. `max_new_tokens=128 greedy`.
    pub parameters: String,
    /// Licence of the model, if known, for the report.
    pub licence: Option<String>,
}

/// The part of an [`EngineIdentity`] that determines results: engines with equal keys return equal
/// results.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct EngineKey {
    /// Engine name.
    pub engine: String,
    /// Name of a server's model; empty if the revision is known.
    pub model: String,
    /// Content hash or repository revision of the model's files.
    pub revision: String,
    /// Every parameter that changes the output.
    pub parameters: String,
}

impl EngineIdentity {
    /// The engine's key, without the licence and, if the revision is known, the path of the model.
    pub fn key(&self) -> EngineKey {
        let model = match self.revision.is_empty() {
            true => self.model.clone(),
            false => String::new(),
        };
        EngineKey {
            engine: self.engine.clone(),
            model,
            revision: self.revision.clone(),
            parameters: self.parameters.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(model: &str, revision: &str) -> EngineIdentity {
        EngineIdentity {
            engine: "engine".into(),
            model: model.into(),
            revision: revision.into(),
            parameters: "greedy".into(),
            licence: Some(format!("licence of {model}")),
        }
    }

    #[test]
    fn the_key_has_a_servers_model_and_no_path() {
        let key = |model, revision| identity(model, revision).key();
        assert_eq!(key("models/a", "1"), key("/elsewhere/b", "1"));
        assert_ne!(key("models/a", "1"), key("models/a", "2"));
        assert_ne!(key("qwen", ""), key("llama", ""));
    }
}
