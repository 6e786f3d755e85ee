//! SNLI: natural language inference on captions in English (Bowman et al. 2015, arXiv 1508.05326).
//! Read from its official tab-separated files or JSON Lines, or with the columns premise,
//! hypothesis and label. Rows on which the annotators did not agree (`-`) have no label.

use super::data_set::DataSet;
use super::nli;

/// See the module.
pub const SNLI: DataSet = DataSet {
    name: "snli",
    paper: "Bowman et al. 2015, arXiv 1508.05326",
    labels: nli::LABELS,
    layouts: |_| vec![nli::sentences(), nli::premise_hypothesis()],
    headerless: nli::HEADERLESS,
    quoted: false,
    languages: &[],
};
