//! A labelled test set in one language.

use std::collections::BTreeMap;

use corpus::labelled::{self, DataLanguage, LabelledRow, LabelledSet};
use corpus::language::Language;
use serde::{Deserialize, Serialize};

/// The language of a test set, as in a [`DataLanguage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestLanguage {
    /// Code in names of files and in `report.json`, e.g. `deu_Latn`.
    pub code: String,
    /// English name, e.g. `German`.
    pub name: String,
    /// The language that models are told: the language itself, a related one that stands in for it,
    /// or none.
    pub told: Option<Language>,
    /// Whether `told` is a related language.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_proxy: bool,
}

impl From<&DataLanguage> for TestLanguage {
    fn from(language: &DataLanguage) -> Self {
        Self {
            code: language.code.clone(),
            name: language.name.clone(),
            told: language.source,
            is_proxy: language.is_proxy,
        }
    }
}

impl TestLanguage {
    /// Whether it is `language` itself.
    pub fn is(&self, language: Language) -> bool {
        self.told == Some(language) && !self.is_proxy
    }
}

/// Labelled rows in one language for a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskTest {
    /// The task whose head classifies them.
    pub task: String,
    /// Name of the data set in names of files and in `report.json`, e.g. `xnli`.
    pub name: String,
    /// Title in the report, e.g. `XNLI`.
    pub title: String,
    /// The language of the task's training data, into which translate-test translates.
    pub source: Language,
    /// The language.
    pub language: TestLanguage,
    /// Names of the rows' labels.
    pub labels: Vec<String>,
    /// The rows.
    pub rows: Vec<LabelledRow>,
    /// Number of rows of the file that could not be used, by reason.
    pub rejected: BTreeMap<String, u64>,
}

fn rejected(set: &LabelledSet) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in &set.rejected {
        *counts.entry(row.rejected.reason.clone()).or_default() += 1;
    }
    counts
}

impl TaskTest {
    /// The rows of `test` for `task`, which was trained on texts in `source`. `set` is the name of
    /// their data set, in files and in the report.
    pub fn new(task: &str, set: &str, source: Language, test: &labelled::TestSet) -> Self {
        Self {
            task: task.to_owned(),
            name: set.to_owned(),
            title: set.to_owned(),
            source,
            language: TestLanguage::from(&test.language),
            labels: test.set.labels.clone(),
            rows: test.set.rows.clone(),
            rejected: rejected(&test.set),
        }
    }

    /// Task, data set and language, for messages.
    pub(super) fn described(&self) -> String {
        match self.task == self.name {
            true => format!("{}, {}", self.task, self.language.code),
            false => format!("{}, {}, {}", self.task, self.name, self.language.code),
        }
    }

    /// Its folder within an evaluation, without the language.
    pub(super) fn folder(&self) -> String {
        format!("{}/{}", plain(&self.task), plain(&self.name))
    }
}

/// `name` as the name of a file.
pub(super) fn plain(name: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let plain: String = name
        .chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect();
    match plain.trim_start_matches('.') {
        "" => "_".to_owned(),
        plain => plain.to_owned(),
    }
}
