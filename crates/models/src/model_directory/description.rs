//! `xldistill.json`: what a model directory holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelDirectoryError;
use crate::backbone::BackboneSettings;
use crate::classifier::HeadKind;

/// The layout of the directory.
pub(super) const VERSION: u32 = 1;

/// What a model directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the layout.
    pub version: u32,
    /// The kind of backbone.
    pub kind: BackboneKind,
    /// How it reads texts.
    pub reading: BackboneSettings,
    /// The LLM; `None` for an encoder alone.
    pub llm: Option<ModelReference>,
    /// The encoder; `None` for an LLM alone.
    pub encoder: Option<EncoderReference>,
    /// Whether the LLM of a stack reads a mix of the encoder's layers.
    pub layer_mix: bool,
    /// Whether there is an adapter.
    pub adapter: bool,
    /// Languages in which the encoder's states are shifted, by FLORES-200 code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifted: Vec<String>,
    /// The heads, by task.
    pub tasks: BTreeMap<String, TaskDescription>,
}

/// The kinds of backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackboneKind {
    /// An LLM.
    Llm,
    /// An encoder.
    Encoder,
    /// An LLM on an encoder.
    Stack,
}

/// A model that the directory refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReference {
    /// Its path, from the directory if it is relative.
    pub path: PathBuf,
    /// Hash of its files.
    pub revision: String,
    /// Its licence, if it states one.
    pub licence: Option<String>,
}

/// An encoder that the directory refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderReference {
    /// The model.
    #[serde(flatten)]
    pub model: ModelReference,
    /// What is put before each text.
    pub prefix: String,
}

/// A head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDescription {
    /// What it reads.
    pub kind: HeadKind,
    /// Its labels in the order of their probabilities.
    pub labels: Vec<String>,
}

impl Description {
    pub(super) fn read(path: &Path) -> Result<Self, ModelDirectoryError> {
        let error = |message: String| ModelDirectoryError::Description {
            path: path.into(),
            message,
        };
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ModelDirectoryError::Missing(path.into()),
            _ => error(source.to_string()),
        })?;
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text);
        let json = read(&text).map_err(|source| error(source.to_string()))?;
        let version = json["version"].as_u64();
        if version != Some(u64::from(VERSION)) {
            return Err(error(format!(
                "`version` is {}, this program reads version {VERSION}; use the release that wrote \
                 the directory, or train again",
                json["version"]
            )));
        }
        let description: Self =
            serde_json::from_value(json).map_err(|source| error(source.to_string()))?;
        let (llm, encoder) = match description.kind {
            BackboneKind::Llm => (true, false),
            BackboneKind::Encoder => (false, true),
            BackboneKind::Stack => (true, true),
        };
        for (key, needed, there) in [
            ("llm", llm, description.llm.is_some()),
            ("encoder", encoder, description.encoder.is_some()),
        ] {
            if needed && !there {
                return Err(error(format!("`{key}` is missing")));
            }
        }
        Ok(description)
    }

    /// The description as JSON with empty paths.
    pub(super) fn without_paths(&self) -> String {
        let mut copy = self.clone();
        let llm = copy.llm.as_mut();
        let encoder = copy.encoder.as_mut().map(|encoder| &mut encoder.model);
        for reference in llm.into_iter().chain(encoder) {
            reference.path = PathBuf::new();
        }
        serde_json::to_string(&copy).expect("maps have text keys")
    }
}
