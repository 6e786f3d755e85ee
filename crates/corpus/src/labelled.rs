//! Labelled text: the data sets that classifiers are trained and tested on.
//!
//! A [`DataSet`] names the columns, labels and languages of a published data set, one file each;
//! [`ALL`] lists them. Users bring their own data by naming its columns ([`Columns`]). Files are
//! tab- or comma-separated text, JSON Lines, JSON or Parquet. Rows that cannot be used are set
//! aside with line and reason, never dropped silently.

mod agreement;
mod americas_nli;
mod belebele;
mod config;
mod data_language;
mod data_set;
mod error;
mod gold;
mod kardes_nlu;
mod layout;
mod mnli;
mod nli;
mod nusax;
mod read;
mod records;
mod snli;
mod sst2;
mod table;
mod task;
mod xnli;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rejected::Rejected;

pub use agreement::{Agreement, macro_f1, most_probable};
pub use belebele::BELEBELE;
pub use config::{Columns, LabelledFile, TaskConfig};
pub use data_language::DataLanguage;
pub use data_set::DataSet;
pub use error::{LabelledError, labels_key};
pub use read::{Format, OTHER_LABEL, UNKNOWN_LABEL, UNLABELLED, Wanted};
pub use records::{Record, records};
pub use task::{TaskData, TestSet};
pub use xnli::XNLI;

/// All published data sets.
pub const ALL: &[&DataSet] = &[
    &XNLI,
    &americas_nli::AMERICAS_NLI,
    &kardes_nlu::KARDES_NLU,
    &mnli::MNLI,
    &snli::SNLI,
    &nusax::NUSAX,
    &sst2::SST2,
    &BELEBELE,
];

/// What a label is given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelledInput {
    /// Two texts, e.g. premise and hypothesis.
    Pair {
        /// The first text.
        first: String,
        /// The second text.
        second: String,
    },
    /// A question about a passage, with answers to choose from.
    Choices {
        /// The passage.
        passage: String,
        /// The question.
        question: String,
        /// The answers, in order.
        choices: Vec<String>,
    },
    /// One text.
    Single {
        /// The text.
        text: String,
    },
}

impl LabelledInput {
    /// The texts, in order: of a question its passage, itself and the answers.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            LabelledInput::Single { text } => vec![text],
            LabelledInput::Pair { first, second } => vec![first, second],
            LabelledInput::Choices {
                passage,
                question,
                choices,
            } => {
                let before = [passage.as_str(), question.as_str()].into_iter();
                before.chain(choices.iter().map(String::as_str)).collect()
            }
        }
    }

    /// The same input with other texts, in the order of [`LabelledInput::texts`]: a translation.
    ///
    /// # Panics
    /// If the number of texts differs.
    pub fn with_texts(&self, texts: Vec<String>) -> LabelledInput {
        assert_eq!(texts.len(), self.texts().len(), "as many texts as before");
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        match self {
            LabelledInput::Single { .. } => LabelledInput::Single { text: next() },
            LabelledInput::Pair { .. } => LabelledInput::Pair {
                first: next(),
                second: next(),
            },
            LabelledInput::Choices { .. } => LabelledInput::Choices {
                passage: next(),
                question: next(),
                choices: texts.collect(),
            },
        }
    }
}

/// A row with its label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LabelledRow {
    /// Identifier, unique in its file: the file's own or the number of the row from 0.
    pub id: String,
    /// What is labelled.
    pub input: LabelledInput,
    /// Number of the label in [`LabelledSet::labels`].
    pub label: usize,
}

/// The usable rows of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSet {
    /// Names of the labels, in order; of a multiple-choice set `1`, `2`, ….
    pub labels: Vec<String>,
    /// The usable rows in the order of the file.
    pub rows: Vec<LabelledRow>,
    /// The other rows, with line and reason.
    pub rejected: Vec<RejectedRow>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedRow {
    /// Line on which it begins, from 1; in Parquet, number of the row.
    pub line: u64,
    /// Its label, if the task does not have that.
    pub label: Option<String>,
    /// The file's name with the line, reason and detail, as in every `rejected.jsonl`.
    pub rejected: Rejected,
}

impl LabelledSet {
    /// Numbers of rejected rows by reason.
    pub fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for row in &self.rejected {
            *reasons.entry(row.rejected.reason.clone()).or_default() += 1;
        }
        reasons
    }

    /// Numbers of rejected rows by the label that the task does not have.
    pub fn other_labels(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for label in self.rejected.iter().filter_map(|row| row.label.as_deref()) {
            *counts.entry(label).or_default() += 1;
        }
        counts
    }

    /// Numbers of rows by label, in the order of the labels.
    pub fn label_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for row in &self.rows {
            counts[row.label] += 1;
        }
        counts
    }
}
