//! `[estimate_quality]`: what estimates the quality of translations.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::WeightPrecision;

/// `[estimate_quality]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimateQuality {
    /// Which engine.
    pub engine: QualityEngine,
    /// The model of an engine that has one.
    pub model: Option<PathBuf>,
    /// Folder with the encoder's tokenizer and configuration, if they are not in the model's.
    pub encoder: Option<PathBuf>,
    /// How the encoder's weights are held and multiplied.
    pub precision: WeightPrecision,
}

/// Quality estimation engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QualityEngine {
    /// chrF of the source and its translation translated back.
    #[default]
    RoundTrip,
    /// CometKiwi or another reference-free COMET model.
    #[serde(rename = "cometkiwi")]
    CometKiwi,
    /// No estimate: only the other filters reject.
    None,
}
