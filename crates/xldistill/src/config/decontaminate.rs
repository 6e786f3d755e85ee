//! `[decontaminate]`: what must not be in the transfer set.

use std::path::PathBuf;

use corpus::decontamination::NgramSizes;
use serde::{Deserialize, Serialize};

/// `[decontaminate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decontaminate {
    /// Whether rows that share text with an evaluation set are rejected.
    pub enabled: bool,
    /// Evaluation sets besides those of `[evaluate]`: files or folders of JSON, JSONL, TSV or lines.
    pub against: Vec<PathBuf>,
    /// Words in a row that must be shared.
    pub words: usize,
    /// Characters in a row that must be shared, in scripts without spaces.
    pub characters: usize,
}

impl Default for Decontaminate {
    fn default() -> Self {
        let NgramSizes { words, characters } = NgramSizes::default();
        Self {
            enabled: true,
            against: Vec::new(),
            words,
            characters,
        }
    }
}
