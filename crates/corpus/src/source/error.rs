//! Errors of reading data sets.

use std::io;
use std::path::{Path, PathBuf};

use crate::plain_words::json_fault;

/// Error returned when a data set cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// A file of an unknown kind.
    #[error("{}: not a .json, .jsonl or .parquet file", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },

    /// A folder without data.
    #[error("{} holds no .json, .jsonl or .parquet file", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },

    /// A folder without text, or a pattern that no file matches.
    #[error(
        "{} holds or matches no .jsonl, .json, .parquet, .tsv or .txt file", path.display()
    )]
    NoTextFiles {
        /// The folder or pattern.
        path: PathBuf,
    },

    /// A table without a column of text.
    #[error(
        "{}: no column is called {wanted}; it has {columns}; name those with text in `fields`",
        path.display()
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The names looked for.
        wanted: String,
        /// The names of the columns.
        columns: String,
    },

    /// A file in another encoding.
    #[error("{} is UTF-16; convert it to UTF-8 first", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },

    /// A line in another encoding, in a file of which every line is needed.
    #[error("{}:{line}: not UTF-8; convert the file, e.g. with iconv", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
    },

    /// JSON that breaks off or is malformed as a whole, so that no row can be told from the next.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The fault.
        message: String,
    },

    /// A Parquet file that cannot be read.
    #[error("{}: {message}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The fault.
        message: String,
    },

    /// No known layout fits the first rows.
    #[error(
        "{}: rows with the keys {keys} have no known layout; expected instruction and output \
         (Alpaca), conversations (ShareGPT), messages (chat), prompt and completion, or question \
         and answer; name other columns in a dataset_info.json beside the file, as LLaMA-Factory does", path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The keys of its first row.
        keys: String,
    },

    /// `dataset_info.json` describes the file in a way that is not understood.
    #[error("{}: {message}", path.display())]
    DatasetInfo {
        /// The `dataset_info.json`.
        path: PathBuf,
        /// The fault.
        message: String,
    },

    /// More rows cannot be used than the run tolerates.
    #[error(
        "{}: {rejected} of {rows} rows cannot be used ({reasons}), more than the {percent:.0} % \
         that max_rejected_fraction allows; the first is {first}", path.display()
    )]
    TooManyRejected {
        /// The data set.
        path: PathBuf,
        /// Rows that cannot be used.
        rejected: usize,
        /// All rows.
        rows: usize,
        /// Why, with counts.
        reasons: String,
        /// The first of them.
        first: String,
        /// The limit, in percent.
        percent: f64,
    },

    /// Not a single row.
    #[error("{} holds no rows", path.display())]
    Empty {
        /// The data set.
        path: PathBuf,
    },

    /// A parallel corpus without a single pair.
    #[error("{} holds no sentence pair; the first line: {first}", path.display())]
    NoPairs {
        /// The file.
        path: PathBuf,
        /// The fault of its first line.
        first: String,
    },

    /// Two aligned files of different length.
    #[error(
        "{} has {source_lines} lines and {} has {target_lines}: aligned files have a pair a line",
        source_path.display(), target_path.display()
    )]
    Unaligned {
        /// File in the source language.
        source_path: PathBuf,
        /// Its number of lines.
        source_lines: usize,
        /// File in the target language.
        target_path: PathBuf,
        /// Its number of lines.
        target_lines: usize,
    },
}

impl SourceError {
    /// Wraps serde_json's error in text that begins after `lines` lines of the file at `path`.
    pub(crate) fn json(path: &Path, lines: u64) -> impl FnOnce(serde_json::Error) -> SourceError {
        move |error| SourceError::Json {
            path: path.to_owned(),
            line: lines as usize + error.line(),
            column: error.column(),
            message: json_fault(&error),
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
        move |source| SourceError::Io {
            path: path.to_owned(),
            source,
        }
    }
}
