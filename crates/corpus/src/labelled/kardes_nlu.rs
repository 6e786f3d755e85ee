//! Kardeş-NLU, task XNLI: natural language inference in five Turkic languages (Senel et al. 2024,
//! EACL, 2024.eacl-long.100). Read from the published comma-separated files, whose rows hold the
//! English sentences and their translations.
//!
//! Its Uyghur is written in Cyrillic, which NLLB-200 does not know; Kazakh stands in for it, as in
//! the MT-LLM paper's code.

use super::data_set::{DataSet, SetLanguage};
use super::layout::{Input, Layout};
use super::nli;

/// See the module.
pub const KARDES_NLU: DataSet = DataSet {
    name: "kardes_nlu",
    paper: "Senel et al. 2024, EACL, 2024.eacl-long.100",
    labels: nli::LABELS,
    layouts: |english| {
        let input = match english {
            true => Input::Pair("sentence1", "sentence2"),
            false => Input::Pair("s1_translation", "s2_translation"),
        };
        vec![Layout {
            input,
            label: "gold_label",
            id: vec![],
            language: None,
        }]
    },
    headerless: &[],
    quoted: true,
    languages: &[
        SetLanguage::alias("az", "azj_Latn"),
        SetLanguage::alias("kk", "kaz_Cyrl"),
        SetLanguage::alias("ky", "kir_Cyrl"),
        SetLanguage::alias("uz", "uzn_Latn"),
        SetLanguage::proxy("ug", "Uyghur (Cyrillic)", "kaz_Cyrl"),
    ],
};
