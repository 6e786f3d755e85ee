//! `[decontaminate]`: removal of evaluation texts from the transfer set.

use corpus::decontamination::NgramSizes;
use corpus::file_path::FilePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[decontaminate]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Decontaminate {
    /// Whether rows that share text with an evaluation set are rejected.
    pub enabled: bool,
    /// Evaluation sets besides those of `[evaluate]`, e.g. BELEBELE or FLORES: files or folders.
    /// Every string of `.json` and `.jsonl`, every column of `.tsv`, every line of other files.
    pub against: Vec<FilePath>,
    /// Number of consecutive words that must be shared.
    pub words: usize,
    /// Number of consecutive characters that must be shared, in scripts without spaces.
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
