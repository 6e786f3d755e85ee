//! Errors of reading labelled data.

use std::path::PathBuf;

use crate::source::SourceError;

/// Error returned when labelled data cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelledError {
    /// A file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A name that is no data set's.
    #[error(
        "{name:?} is no known data set (did you mean {closest:?}?); known are {known}; for data of \
         your own, leave `data` out and name its `columns`"
    )]
    UnknownDataSet {
        /// The name.
        name: String,
        /// All names.
        known: String,
        /// The closest.
        closest: &'static str,
    },
    /// A language that neither the data set nor FLORES-200 has.
    #[error("{message}{}", own_codes(own))]
    UnknownLanguage {
        /// What is wrong with the name.
        message: String,
        /// Further codes of the data set.
        own: Vec<&'static str>,
    },
    /// The task's keys contradict each other or lack something.
    #[error("{message}")]
    Config {
        /// What is wrong and what to change.
        message: String,
    },
    /// A separated file with neither a known header nor a known number of columns.
    #[error(
        "{}: the first line ({found}) has no known column names; expected {expected}", path.display(),
        expected = "the columns of the data set, or those that `columns` names"
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// A column that is needed is missing.
    #[error("{}: no column {missing}; it has {found}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The columns that were looked for.
        missing: String,
        /// The columns found.
        found: String,
    },
    /// No row has a label.
    #[error(
        "{}: no row has a label in the column {column:?}; name the column under `columns.label`, or \
         a file of labels: {{ path = …, labels = FILE }}", path.display()
    )]
    NoLabels {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        column: String,
    },
    /// Labels of another task.
    #[error(
        "{}: none of its labels ({}) is one of the task's: {}{}", path.display(), listed(found),
        listed(expected), naming(expected, *can_be_named)
    )]
    OtherLabels {
        /// The file.
        path: PathBuf,
        /// Labels of the file.
        found: Vec<String>,
        /// Labels of the task.
        expected: Vec<String>,
        /// Whether the key `labels` would help: not with those of a data set.
        can_be_named: bool,
    },
    /// Too many rows are faulty.
    #[error(
        "{}: {faulty} of {rows} rows cannot be used ({reasons}); the first is {first}", path.display()
    )]
    TooManyRejected {
        /// The file.
        path: PathBuf,
        /// Faulty rows.
        faulty: usize,
        /// All rows.
        rows: usize,
        /// Why, with counts.
        reasons: String,
        /// The first of them, with line and fault.
        first: String,
    },
    /// No row of the file is in the language.
    #[error("{}: no rows in {language}; the column {column:?} has {found}", path.display())]
    NoRowsInLanguage {
        /// The file.
        path: PathBuf,
        /// The language that was looked for.
        language: String,
        /// The column with the languages.
        column: String,
        /// The languages found.
        found: String,
    },
    /// A file of labels is malformed.
    #[error("{}:{line}: {message}", path.display())]
    LabelFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The fault.
        message: String,
    },
}

fn own_codes(own: &[&str]) -> String {
    match own.is_empty() {
        true => String::new(),
        false => format!("; the data set also has {}", own.join(", ")),
    }
}

/// Maximum number of labels in a message.
const LABELS: usize = 10;

/// The first of `labels`, and how many there are.
fn listed(labels: &[String]) -> String {
    match labels.get(..LABELS) {
        Some(first) if labels.len() > LABELS => {
            format!("{}, … {} in all", first.join(", "), labels.len())
        }
        _ => labels.join(", "),
    }
}

/// The key with which a file may have the `labels` as numbers, or in other case.
fn naming(labels: &[String], can_be_named: bool) -> String {
    match can_be_named {
        true => format!(
            "; if they are the same ones as numbers or in other case, name those of the task in the \
             order of their numbers: {}",
            labels_key(labels)
        ),
        false => String::new(),
    }
}

/// The key `labels` with these values, as a config has it.
pub fn labels_key(labels: &[String]) -> String {
    let shown = labels.iter().take(LABELS);
    let mut shown: Vec<String> = shown.map(|label| format!("{label:?}")).collect();
    shown.extend((labels.len() > LABELS).then(|| "…".to_owned()));
    format!("labels = [{}]", shown.join(", "))
}
