//! SST-2: sentiment of phrases from film reviews in English (Socher et al. 2013, D13-1170), as GLUE
//! distributes it: sentence TAB label, 0 negative and 1 positive.

use super::data_set::DataSet;
use super::layout::{Input, Layout};

/// See the module.
pub const SST2: DataSet = DataSet {
    name: "sst2",
    paper: "Socher et al. 2013, D13-1170",
    labels: &["negative", "positive"],
    layouts: |_| {
        vec![Layout {
            input: Input::Single("sentence"),
            label: "label",
            id: vec![],
            language: None,
        }]
    },
    headerless: &[&["sentence", "label"]],
    quoted: false,
    languages: &[],
};
