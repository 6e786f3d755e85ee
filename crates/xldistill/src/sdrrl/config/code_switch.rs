//! `[code_switch]`: replacement of words of the questions.

use std::collections::BTreeMap;

use corpus::file_path::FilePath;
use corpus::language::Language;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[code_switch]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSwitch {
    /// Probability of replacing a word that has a translation: p of Eq. 5. 0 replaces none.
    pub probability: f64,
    /// Dictionaries from the source language into each target language: lists of MUSE, TSV or dictd
    /// (`.index`) files, which are merged. An induced dictionary is kept in
    /// the run's folder `induced-SOURCE-LANGUAGE` until the questions or the translators change.
    #[schemars(extend("default-text" = "induced"))]
    pub dictionaries: BTreeMap<Language, Vec<FilePath>>,
    /// Dictionaries from each target language into the source language.
    #[schemars(extend("default-text" = "induced"))]
    pub reverse_dictionaries: BTreeMap<Language, Vec<FilePath>>,
}

impl Default for CodeSwitch {
    fn default() -> Self {
        Self {
            probability: 0.15,
            dictionaries: BTreeMap::new(),
            reverse_dictionaries: BTreeMap::new(),
        }
    }
}
