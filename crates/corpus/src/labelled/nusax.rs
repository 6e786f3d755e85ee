//! NusaX sentiment: reviews and comments in English, Indonesian and ten local languages of
//! Indonesia (Winata et al. 2023, arXiv 2205.15960). Read from the published comma-separated files
//! (id, text, label) of a language.
//!
//! NLLB-200 lacks Madurese, Ngaju and Toba Batak; Indonesian stands in for them, as in the MT-LLM
//! paper's code.

use super::data_set::{DataSet, SetLanguage};
use super::layout::{Input, Layout};

/// See the module.
pub const NUSAX: DataSet = DataSet {
    name: "nusax",
    paper: "Winata et al. 2023, arXiv 2205.15960",
    labels: &["negative", "neutral", "positive"],
    layouts: |_| {
        vec![Layout {
            input: Input::Single("text"),
            label: "label",
            id: vec!["id"],
            language: None,
        }]
    },
    headerless: &[],
    quoted: true,
    languages: &[
        SetLanguage::proxy("mad", "Madurese", "ind_Latn"),
        SetLanguage::proxy("nij", "Ngaju", "ind_Latn"),
        SetLanguage::proxy("bbc", "Toba Batak", "ind_Latn"),
    ],
};
