//! Errors of reading data sets.

use std::io;
use std::path::{Path, PathBuf};

use crate::language::Language;
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
    #[error(
        "{}: not a .json, .jsonl, .parquet, .csv or .tsv file", path.display()
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },

    /// A file in a format that cannot be read.
    #[error("{} is {what}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The format, and the way out.
        what: String,
    },

    /// A file that does not fit into memory.
    #[error("{} holds more than {gib} GiB unpacked; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in GiB.
        gib: u64,
    },

    /// More text than a data set may have in memory.
    #[error(
        "{}: the instructions have more than {gib} GiB of text; set data.limit, or split the data",
        path.display()
    )]
    TooMuchText {
        /// The file with which the limit is exceeded.
        path: PathBuf,
        /// The limit, in GiB.
        gib: usize,
    },

    /// A folder without data.
    #[error(
        "{} holds no .json, .jsonl, .parquet, .csv or .tsv file with training data{found}",
        path.display()
    )]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// What it holds instead.
        found: String,
    },

    /// A folder with several data sets.
    #[error(
        "{} holds several data sets ({folders}); name one of the folders", path.display()
    )]
    SeveralFolders {
        /// The folder.
        path: PathBuf,
        /// Names of the folders in it.
        folders: String,
    },

    /// A folder without text, or a pattern that no file matches.
    #[error(
        "{} holds or matches no .jsonl, .json, .parquet, .tsv or .txt file", path.display()
    )]
    NoTextFiles {
        /// The folder or pattern.
        path: PathBuf,
    },

    /// Text without a passage of the wanted length.
    #[error(
        "{}: none of its passages has {min} to {max} characters ({too_short} are shorter, {too_long} \
         longer); change reverse_instructions.min_characters or max_characters",
        path.display()
    )]
    NoPassage {
        /// The file, folder or pattern.
        path: PathBuf,
        /// Number of shorter passages.
        too_short: u64,
        /// Number of longer ones.
        too_long: u64,
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
    },

    /// A table without a column of text.
    #[error(
        "{}: no column is called {wanted}; it has {columns}; {remedy}",
        path.display()
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The names looked for.
        wanted: String,
        /// The names of the columns.
        columns: String,
        /// What to write.
        remedy: String,
    },

    /// A file in another encoding.
    #[error(
        "{0} is {encoding}; convert it to UTF-8, e.g. with iconv -f {encoding} -t UTF-8 {0}",
        path.display()
    )]
    Utf16 {
        /// The file.
        path: PathBuf,
        /// The encoding: `UTF-16` or `UTF-32`, with the order of bytes if it has no mark.
        encoding: &'static str,
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

    /// A file that is malformed as a whole.
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The fault.
        message: String,
    },

    /// A quote that is never closed.
    #[error(
        "{}:{line}: a quote at the beginning of a cell is never closed; close it, or set \
         columns.quoted = false if quotes are part of the text", path.display()
    )]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// Line of the row, from 1.
        line: u64,
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
        "{}: no known columns among {keys}; name those with question and answer, e.g. \
         data.columns = {{ prompt = \"{example}\", response = \"…\" }}, or a conversation: \
         data.columns = {{ messages = \"…\" }}", path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The keys of its first row.
        keys: String,
        /// One of them.
        example: String,
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

    /// More rows cannot be used than are kept in memory, whatever share of the rows they are.
    #[error(
        "{}: {rejected} rows cannot be used, {usable} before them can; remove such rows: the first is \
         {first}", path.display()
    )]
    MostRejected {
        /// The file.
        path: PathBuf,
        /// Rows that cannot be used.
        rejected: usize,
        /// Usable rows before the last of them.
        usable: usize,
        /// The first of them.
        first: String,
    },

    /// The two languages of a parallel corpus are swapped.
    #[error(
        "{}: {from} and {to} are swapped; write {{ path = …, columns = [2, 1] }}, or exchange \
         source and target of two aligned files", path.display()
    )]
    SwappedLanguages {
        /// The file.
        path: PathBuf,
        /// The language that the first side should have.
        from: Language,
        /// The language that the second side should have.
        to: Language,
    },

    /// Text in another language than it should be.
    #[error("{}: {what} is in {found}, not in {expected}", path.display())]
    OtherLanguage {
        /// The file.
        path: PathBuf,
        /// The part of it.
        what: &'static str,
        /// Its language.
        found: Language,
        /// The language that it should have.
        expected: Language,
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
