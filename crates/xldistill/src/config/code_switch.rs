//! `[code_switch]`: how words of the questions are replaced.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use serde::{Deserialize, Serialize};

/// `[code_switch]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSwitch {
    /// p of Eq. 5: the probability with which a word that has a translation is replaced.
    pub probability: f64,
    /// Dictionaries from the source language into each target language: MUSE or TSV files, or
    /// dictd `.index` files. Induced by the translator where none is named.
    pub dictionaries: BTreeMap<Language, Vec<PathBuf>>,
    /// Dictionaries from each target language into the source language.
    pub reverse_dictionaries: BTreeMap<Language, Vec<PathBuf>>,
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
