//! AmericasNLI: natural language inference in ten indigenous languages of the Americas (Ebrahimi et
//! al. 2022, arXiv 2104.08726). Read from the published tab-separated files (language, premise,
//! hypothesis, label), which hold one language or all of them.
//!
//! NLLB-200 knows three of the languages (Central Aymara, Guarani, Ayacucho Quechua).

use super::data_set::{DataSet, SetLanguage};
use super::layout::Layout;
use super::nli;

/// See the module.
pub const AMERICAS_NLI: DataSet = DataSet {
    name: "americas_nli",
    paper: "Ebrahimi et al. 2022, arXiv 2104.08726",
    labels: nli::LABELS,
    layouts: |_| {
        let all = Layout {
            language: Some("language"),
            ..nli::premise_hypothesis()
        };
        vec![all, nli::premise_hypothesis()]
    },
    headerless: &[
        &["id", "language", "premise", "hypothesis", "label"],
        &["language", "premise", "hypothesis", "label"],
    ],
    quoted: false,
    languages: &[
        SetLanguage::alias("aym", "ayr_Latn"),
        SetLanguage::alias("gn", "grn_Latn"),
        SetLanguage::alias("quy", "quy_Latn"),
        SetLanguage::unsupported("bzd", "Bribri"),
        SetLanguage::unsupported("cni", "Asháninka"),
        SetLanguage::unsupported("hch", "Wixarika"),
        SetLanguage::unsupported("nah", "Nahuatl"),
        SetLanguage::unsupported("oto", "Otomí"),
        SetLanguage::unsupported("shp", "Shipibo-Konibo"),
        SetLanguage::unsupported("tar", "Rarámuri"),
    ],
};
