//! The rows of a task: training, validation and test.

use std::path::PathBuf;

use super::{
    DataLanguage, LabelledError, LabelledFile, LabelledInput, LabelledRow, LabelledSet,
    RejectedRow, TaskConfig,
};
use crate::sampling::uniform;

/// The rows of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskData {
    /// Names of the labels, in order.
    pub labels: Vec<String>,
    /// Language of training and validation rows.
    pub language: DataLanguage,
    /// Rows to train on.
    pub train: LabelledSet,
    /// Rows on which checkpoints are chosen; may be empty.
    pub validation: LabelledSet,
    /// Rows to test on, by language in the order of the config.
    pub tests: Vec<TestSet>,
}

/// The test rows of a language.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSet {
    /// The language.
    pub language: DataLanguage,
    /// The file.
    pub path: PathBuf,
    /// Its rows.
    pub set: LabelledSet,
}

impl TaskConfig {
    /// Reads all rows of the task. Without validation files, a share of the training rows is set
    /// apart: a function of `seed` and each row's first text, so that pairs with the same premise
    /// and questions about the same passage do not fall on both sides.
    ///
    /// # Errors
    /// Those of [`TaskConfig::check`], and of every file.
    pub fn load(&self, seed: u64) -> Result<TaskData, LabelledError> {
        self.check()?;
        let language = DataLanguage::from(self.language);
        let wanted = Some(&self.labels[..]).filter(|labels| !labels.is_empty());
        let mut train = self.read_all(&self.train, &language, wanted)?;
        let labels = train.labels.clone();
        if labels.len() < 2 {
            return Err(LabelledError::Config {
                message: format!(
                    "the training rows have a single label, {:?}; a task has at least two",
                    labels.first().map_or("", String::as_str)
                ),
            });
        }
        let validation = match self.validation.is_empty() {
            false => self.read_all(&self.validation, &language, Some(&labels))?,
            true => self.split(&mut train, seed),
        };
        let set = self.test_data_set()?;
        let tests = self.test.iter().map(|(name, file)| {
            let language = self.test_language(name)?;
            let mut rows = self.read(set, file, &language, Some(&labels))?;
            rows.rows.truncate(self.test_limit.unwrap_or(usize::MAX));
            Ok(TestSet {
                language,
                path: file.path().to_owned(),
                set: rows,
            })
        });
        Ok(TaskData {
            tests: tests.collect::<Result<_, LabelledError>>()?,
            labels,
            language,
            train,
            validation,
        })
    }

    /// The rows of several files. With more than one, identifiers begin with the file's name.
    fn read_all(
        &self,
        files: &[LabelledFile],
        language: &DataLanguage,
        labels: Option<&[String]>,
    ) -> Result<LabelledSet, LabelledError> {
        let set = self.data_set()?;
        let mut sets = Vec::new();
        for file in files {
            sets.push((file, self.read(set, file, language, labels)?));
        }
        if let [(_, _)] = &sets[..] {
            return Ok(sets.swap_remove(0).1);
        }
        // Without names given, each file numbers the labels that it has.
        let mut names: Vec<String> = Vec::new();
        for name in sets.iter().flat_map(|(_, set)| &set.labels) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if set.is_none() && labels.is_none() {
            names.sort_unstable();
        }
        let (mut rows, mut rejected): (Vec<LabelledRow>, Vec<RejectedRow>) = Default::default();
        for (number, (file, mut set)) in sets.into_iter().enumerate() {
            let name = file
                .path()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            rows.extend(set.rows.into_iter().map(|row| {
                LabelledRow {
                    id: format!("{number}/{name}#{}", row.id),
                    label: names
                        .iter()
                        .position(|name| *name == set.labels[row.label])
                        .unwrap_or(0),
                    input: row.input,
                }
            }));
            rejected.append(&mut set.rejected);
        }
        Ok(LabelledSet {
            labels: names,
            rows,
            rejected,
        })
    }

    /// The rows of `set`, into which [`TaskConfig::load`] read `files`, that come from file `number`.
    pub fn rows_of<'a>(
        files: &[LabelledFile],
        number: usize,
        set: &'a LabelledSet,
    ) -> impl Iterator<Item = &'a LabelledRow> {
        let prefix = (files.len() > 1).then(|| format!("{number}/"));
        let rows = set.rows.iter();
        rows.filter(move |row| {
            prefix
                .as_ref()
                .is_none_or(|prefix| row.id.starts_with(prefix))
        })
    }

    /// Moves a share of the rows from `train` into a set of their own.
    fn split(&self, train: &mut LabelledSet, seed: u64) -> LabelledSet {
        let is_held_out = |row: &LabelledRow| {
            let group = match &row.input {
                LabelledInput::Single { text } => text,
                LabelledInput::Pair { first, .. } => first,
                LabelledInput::Choices { passage, .. } => passage,
            };
            uniform(seed, "validation rows", group) < self.validation_fraction
        };
        let rows = std::mem::take(&mut train.rows);
        let (held_out, rest) = rows.into_iter().partition(is_held_out);
        train.rows = rest;
        LabelledSet {
            labels: train.labels.clone(),
            rows: held_out,
            rejected: Vec::new(),
        }
    }
}
