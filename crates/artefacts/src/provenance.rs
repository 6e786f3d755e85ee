//! The origin of an artefact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EngineIdentity, EngineKey, Key, KeyBuilder};

/// Everything that determines the content of an artefact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the stage, e.g. `translate`.
    pub stage: String,
    /// Raised with every change of the stage's code that changes results.
    #[serde(rename = "stage_version")]
    pub version: u32,
    /// The parameters that affect the content.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// The engines used, with their revisions and licences.
    #[serde(default)]
    pub engines: Vec<EngineIdentity>,
    /// Hashes or keys of the inputs, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
}

impl Provenance {
    /// The key of the artefact.
    pub fn key(&self) -> Key {
        self.method().with(&self.inputs).finish()
    }

    /// The key without the inputs: part of the hash of every entry, in artefacts that are made
    /// entry by entry.
    pub fn method_key(&self) -> Key {
        self.method().finish()
    }

    fn method(&self) -> KeyBuilder {
        let engines: Vec<EngineKey> = self.engines.iter().map(EngineIdentity::key).collect();
        KeyBuilder::default()
            .with(&self.stage)
            .with(&self.version)
            .with(&self.parameters)
            .with(&engines)
    }
}
