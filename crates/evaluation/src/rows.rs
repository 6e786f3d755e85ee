//! Rows of held-out material, and files of them, one a line: bad lines are set aside.

use std::path::{Path, PathBuf};

use corpus::labelled::LabelledError;
use corpus::language::Language;
use corpus::source::{NumberedLine, SourceError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Share of unusable lines above which a file is an error.
pub(crate) const TOLERATED: f64 = 0.1;

/// A held-out question with its reference answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Identifier, unique in its file.
    pub id: String,
    /// The question.
    pub question: String,
    /// The reference answer; empty if the file has none.
    #[serde(default)]
    pub answer: String,
}

/// Held-out sentence pairs of two languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Language of the first column.
    pub source: Language,
    /// Language of the second column.
    pub target: Language,
    /// Sentence and translation.
    pub pairs: Vec<(String, String)>,
}

/// A line that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedLine {
    /// The file.
    pub path: PathBuf,
    /// 1-based line number.
    pub line: usize,
    /// The reason.
    pub reason: String,
}

/// Error returned when material cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// Too many lines of the file are unusable.
    #[error(
        "{}: {bad} of {lines} lines are unusable, the first is line {first}: {reason}",
        path.display()
    )]
    TooManyBadLines {
        /// The file.
        path: PathBuf,
        /// Number of unusable lines.
        bad: usize,
        /// Number of lines that are not blank.
        lines: usize,
        /// Number of the first unusable line.
        first: usize,
        /// What is wrong with that line.
        reason: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// All lines are blank.
    #[error("{}: no rows in the file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The rows of a benchmark cannot be read.
    #[error(transparent)]
    Labelled(#[from] LabelledError),
    /// A benchmark cannot be run as configured.
    #[error("evaluate.benchmarks: {name}: {message}")]
    Benchmark {
        /// Its name.
        name: String,
        /// What is wrong and what to change.
        message: String,
    },
    /// No question is left after the solved examples.
    #[error(
        "{}: {rows} rows in {language}, of which `shots` uses {shots}: no question is left",
        path.display()
    )]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// Language of the rows.
        language: Language,
        /// Number of rows.
        rows: usize,
        /// Number of solved examples.
        shots: usize,
    },
}

/// Parses every line that is not blank.
pub(crate) fn read<T>(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
    parse: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<T>, MaterialError> {
    parsed(corpus::source::all_lines(path)?, path, skipped, parse)
}

/// Parses every line of JSON, or every element if the file is one array of them.
pub(crate) fn read_json<T>(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
    parse: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<T>, MaterialError> {
    let lines = corpus::source::all_lines(path)?;
    let texts = || lines.iter().filter_map(|(_, line)| line.as_deref().ok());
    let begins = texts().find(|line| !line.trim().is_empty());
    let is_array = begins.is_some_and(|line| line.trim_start().starts_with('['));
    let array = is_array.then(|| texts().collect::<Vec<_>>().join("\n"));
    let elements: Option<Vec<Value>> = array.and_then(|text| serde_json::from_str(&text).ok());
    let rows = match elements {
        Some(elements) => (1..)
            .zip(elements)
            .map(|(number, element)| (number, Ok(element.to_string())))
            .collect(),
        None => lines,
    };
    parsed(rows, path, skipped, parse)
}

/// Parses numbered `lines` of the file `path`.
fn parsed<T>(
    lines: Vec<NumberedLine>,
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
    mut parse: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<T>, MaterialError> {
    let (mut parsed, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        let outcome = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => parse(&line),
            Err(reason) => Err(reason),
        };
        match outcome {
            Ok(row) => parsed.push(row),
            Err(reason) => {
                bad.push(SkippedLine {
                    path: path.to_owned(),
                    line: number as usize,
                    reason,
                });
            }
        }
    }
    tolerated(path, parsed.len(), bad, skipped)?;
    Ok(parsed)
}

/// Sets the `bad` lines of a file aside, unless they are too many beside its `good` ones.
pub(crate) fn tolerated(
    path: &Path,
    good: usize,
    mut bad: Vec<SkippedLine>,
    skipped: &mut Vec<SkippedLine>,
) -> Result<(), MaterialError> {
    let lines = good + bad.len();
    if lines == 0 {
        return Err(MaterialError::Empty {
            path: path.to_owned(),
        });
    }
    if bad.len() as f64 > TOLERATED * lines as f64 {
        return Err(MaterialError::TooManyBadLines {
            path: path.to_owned(),
            bad: bad.len(),
            lines,
            first: bad[0].line,
            reason: bad.swap_remove(0).reason,
        });
    }
    skipped.append(&mut bad);
    Ok(())
}
