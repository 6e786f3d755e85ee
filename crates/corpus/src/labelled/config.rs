//! `[tasks.NAME]`: the files of a task and how they are read.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_untagged::UntaggedEnumVisitor;

use super::data_set::DataSet;
use super::layout::{Input, Layout};
use super::read::{Format, Wanted};
use super::{DataLanguage, LabelledError, LabelledSet};
use crate::file_path::{self, FilePath};
use crate::language::Language;

/// One task: texts with labels to learn from, and test sets by language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskConfig {
    /// Published data set of the files: `xnli`, `mnli`, `snli`, `americas_nli`, `kardes_nlu`,
    /// `nusax`, `sst2` or `belebele`. Without one, `columns` names the columns.
    pub data: Option<String>,
    /// Published data set of the test files. Its labels are matched with those of the training set
    /// by name; test rows with another label are set aside and counted.
    #[schemars(extend("default-text" = "as `data`"))]
    pub test_data: Option<String>,
    /// Columns of data of your own.
    pub columns: Columns,
    /// Names of the labels, in the order of their numbers. With a published data set, a selection
    /// of its labels: rows with another one are set aside.
    #[schemars(extend("default-text" = "those of the data set, or of the training rows"))]
    pub labels: Vec<String>,
    /// Language of the training and validation files.
    pub language: Language,
    /// Training files: `.tsv`, `.csv`, `.jsonl`, `.json` or `.parquet`.
    pub train: Vec<LabelledFile>,
    /// Validation files, on which checkpoints are chosen.
    #[schemars(extend("default-text" = "a share of the training rows"))]
    pub validation: Vec<LabelledFile>,
    /// Share of the training rows that become validation rows if `validation` names no file. Rows
    /// with the same first text (premise, passage) stay together.
    pub validation_fraction: f64,
    /// Test file by language: any name of a language of FLORES-200, or the data set's own code.
    /// Without any, the task is trained and not evaluated.
    pub test: BTreeMap<String, LabelledFile>,
    /// Maximum number of test rows per language.
    pub test_limit: Option<usize>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            data: None,
            test_data: None,
            columns: Columns::default(),
            labels: Vec::new(),
            language: Language::ENGLISH,
            train: Vec::new(),
            validation: Vec::new(),
            validation_fraction: 0.05,
            test: BTreeMap::new(),
            test_limit: None,
        }
    }
}

/// A file of labelled rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LabelledFile {
    /// The file.
    Path(FilePath),
    /// The file, and labels that another file holds.
    WithLabels {
        /// The file.
        path: FilePath,
        /// Row number (from 0, without the header) TAB label, or one label per line. Rows without a
        /// label there are set aside.
        labels: FilePath,
    },
}

impl<'de> Deserialize<'de> for LabelledFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keys {
            path: FilePath,
            labels: FilePath,
        }
        UntaggedEnumVisitor::new()
            .expecting("a file, or { path = FILE, labels = FILE }")
            .string(file_path::of_text)
            .map(|keys| {
                let Keys { path, labels } = keys.deserialize()?;
                Ok(LabelledFile::WithLabels { path, labels })
            })
            .deserialize(deserializer)
    }
}

impl From<FilePath> for LabelledFile {
    fn from(path: FilePath) -> Self {
        LabelledFile::Path(path)
    }
}

impl LabelledFile {
    /// The file of the rows.
    pub fn path(&self) -> &Path {
        match self {
            LabelledFile::Path(path) | LabelledFile::WithLabels { path, .. } => path,
        }
    }

    /// The file of the labels, if they are in one of their own.
    pub fn label_file(&self) -> Option<&Path> {
        match self {
            LabelledFile::Path(_) => None,
            LabelledFile::WithLabels { labels, .. } => Some(labels),
        }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.path()).chain(self.label_file())
    }
}

/// Names of columns. A row is one text (`text`), two (`pair`), or a question with `choices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The text.
    #[schemars(extend("default-text" = "`text`, unless `pair` or `choices` is set"))]
    pub text: Option<String>,
    /// The two texts, e.g. `["premise", "hypothesis"]`.
    pub pair: Option<[String; 2]>,
    /// The passage of a question.
    pub passage: String,
    /// The question.
    pub question: String,
    /// The answers to choose from; the label is the number of the right one, from 1.
    pub choices: Vec<String>,
    /// The label: its name, or its number in `labels`, from 0.
    pub label: String,
    /// Columns that together identify a row.
    #[schemars(extend("default-text" = "rows are numbered"))]
    pub id: Vec<String>,
    /// The language of a row, for files that hold several.
    pub language: Option<String>,
    /// Whether cells of tab-separated files may be in quotes. In `.csv` files they always may.
    pub quoted: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            text: None,
            pair: None,
            passage: "passage".to_owned(),
            question: "question".to_owned(),
            choices: Vec::new(),
            label: "label".to_owned(),
            id: Vec::new(),
            language: None,
            quoted: false,
        }
    }
}

impl Columns {
    fn layout(&self) -> Layout<'_> {
        let input = match (&self.pair, self.choices.is_empty()) {
            (Some([first, second]), _) => Input::Pair(first, second),
            (None, false) => Input::Choices {
                passage: &self.passage,
                question: &self.question,
                choices: self.choices.iter().map(String::as_str).collect(),
            },
            (None, true) => Input::Single(self.text.as_deref().unwrap_or("text")),
        };
        Layout {
            input,
            label: &self.label,
            id: self.id.iter().map(String::as_str).collect(),
            language: self.language.as_deref(),
        }
    }
}

impl TaskConfig {
    /// Checks everything but the files.
    ///
    /// # Errors
    /// An unknown data set or language, keys that contradict each other, or no training file.
    pub fn check(&self) -> Result<(), LabelledError> {
        let fault = |message: &str| {
            Err(LabelledError::Config {
                message: message.to_owned(),
            })
        };
        let set = self.data_set()?;
        let test_set = self.test_data_set()?;
        let inputs = [
            self.columns.text.is_some(),
            self.columns.pair.is_some(),
            !self.columns.choices.is_empty(),
        ];
        if set.is_some() && self.columns != Columns::default() {
            return fault(
                "`columns` names the columns of data of your own; remove `data` or `columns`",
            );
        }
        if inputs.iter().filter(|is_set| **is_set).count() > 1 {
            return fault(
                "a row is either `text`, a `pair` or a question with `choices`; keep one of them",
            );
        }
        if !self.columns.choices.is_empty() && !self.labels.is_empty() {
            return fault(
                "the labels of a question are the numbers of its answers; remove `labels`",
            );
        }
        if self.labels.len() == 1 {
            return fault("a task has at least two `labels`");
        }
        if let Some(set) = set
            && let Some(other) = self
                .labels
                .iter()
                .find(|label| !set.labels.contains(&label.as_str()))
        {
            let known = set.labels.join(", ");
            return fault(&format!(
                "{other:?} is no label of {}; `labels` selects among {known}",
                set.name
            ));
        }
        if let (Some(set), Some(test_set)) = (set, test_set)
            && set.labels.is_empty() != test_set.labels.is_empty()
        {
            return fault(
                "`data` and `test_data` are tasks of different kinds: labels, and answers to choose from",
            );
        }
        if self.train.is_empty() {
            return fault("no training file; name one under `train`");
        }
        if !(0.0..1.0).contains(&self.validation_fraction) {
            return fault("`validation_fraction` is a share below 1");
        }
        if self.test_limit == Some(0) {
            return fault("`test_limit` is at least 1; to evaluate nothing, name no test files");
        }
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for name in self.test.keys() {
            let code = self.test_language(name)?.code;
            if let Some(other) = names.insert(code, name) {
                return fault(&format!(
                    "test.{other} and test.{name} are the same language; keep one of them"
                ));
            }
        }
        Ok(())
    }

    /// The published data set of the training files, if it is one.
    pub fn data_set(&self) -> Result<Option<&'static DataSet>, LabelledError> {
        self.data.as_deref().map(DataSet::named).transpose()
    }

    /// The published data set of the test files, if it is one.
    pub fn test_data_set(&self) -> Result<Option<&'static DataSet>, LabelledError> {
        let name = self.test_data.as_deref().or(self.data.as_deref());
        name.map(DataSet::named).transpose()
    }

    /// The language of a test file.
    ///
    /// # Errors
    /// [`LabelledError::UnknownLanguage`].
    pub fn test_language(&self, name: &str) -> Result<DataLanguage, LabelledError> {
        match self.test_data_set()? {
            Some(set) => set.language(name),
            None => DataLanguage::of(&[], name),
        }
    }

    /// All files that it names, each once or more.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self
            .train
            .iter()
            .chain(&self.validation)
            .chain(self.test.values());
        files.flat_map(LabelledFile::files)
    }

    /// Reads one file of `set`, or with the columns of the config.
    pub(super) fn read(
        &self,
        set: Option<&DataSet>,
        file: &LabelledFile,
        language: &DataLanguage,
        labels: Option<&[String]>,
    ) -> Result<LabelledSet, LabelledError> {
        let wanted = Wanted {
            language: Some(language),
            labels,
            label_file: file.label_file(),
        };
        match set {
            Some(set) => set.read(file.path(), wanted),
            None => self.own_format().read(file.path(), wanted),
        }
    }

    fn own_format(&self) -> Format<'_> {
        Format {
            layouts: vec![self.columns.layout()],
            labels: self.labels.clone(),
            headerless: &[],
            quoted: self.columns.quoted,
            languages: &[],
        }
    }
}
