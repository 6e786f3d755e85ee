//! XNLI: natural language inference in 15 languages (Conneau et al. 2018, arXiv 1809.05053).
//!
//! Read from the published `xnli.dev.tsv` and `xnli.test.tsv`, which hold all languages, or from a
//! file per language: premise TAB hypothesis, with or without TAB label.

use super::data_set::DataSet;
use super::layout::Layout;
use super::nli;

/// See the module.
pub const XNLI: DataSet = DataSet {
    name: "xnli",
    paper: "Conneau et al. 2018, arXiv 1809.05053",
    labels: nli::LABELS,
    layouts: |_| {
        let published = Layout {
            language: Some("language"),
            ..nli::sentences()
        };
        vec![published, nli::premise_hypothesis()]
    },
    headerless: nli::HEADERLESS,
    quoted: false,
    languages: &[],
};
