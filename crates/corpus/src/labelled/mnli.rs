//! MNLI: natural language inference in ten genres of English (Williams et al. 2018, arXiv
//! 1704.05426), the training data of the MT-LLM paper. Read from its official tab-separated files
//! or JSON Lines, or with the columns premise, hypothesis and label.

use super::data_set::DataSet;
use super::nli;

/// See the module.
pub const MNLI: DataSet = DataSet {
    name: "mnli",
    paper: "Williams et al. 2018, arXiv 1704.05426",
    labels: nli::LABELS,
    layouts: |_| vec![nli::sentences(), nli::premise_hypothesis()],
    headerless: nli::HEADERLESS,
    quoted: false,
    languages: &[],
};
