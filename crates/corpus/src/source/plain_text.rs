//! Plain text for self-supervised training, read as a stream of documents.
//!
//! No file is ever in memory as a whole, so a source may be larger than the machine: FineWeb's
//! Parquet shards, JSON lines, an array of JSON objects (Alpaca), text with a document a line, or
//! columns of tab-separated text; all but Parquet also compressed with gzip. (Comma-separated text is
//! the exception: it is read as a whole.)

mod fields;
mod files;
mod json_array;
mod parquet_rows;
mod rows;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_untagged::UntaggedEnumVisitor;

use super::{Broken, SourceError};
use crate::file_path::{self, FilePath};
use crate::rejected::Rejected;
use fields::Fields;
use rows::{Row, Rows};

/// Files of plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TextSource {
    /// A file, a folder of files, or a pattern with `*` in the file name. `.jsonl`, `.json`,
    /// `.parquet`, `.csv` and `.tsv` have a document in the field or column `text`, or one in each of
    /// Alpaca's `instruction`, `input` and `output`; other files have a document per line. Files other
    /// than Parquet may be compressed with gzip (`.gz`).
    Files(FilePath),
    /// Files whose texts are in other fields.
    Fields {
        /// A file, a folder of files, or a pattern with `*` in the file name.
        path: FilePath,
        /// Names of the fields or columns with a document each. Columns of a `.tsv` file without a
        /// header have numbers, from 1.
        fields: Vec<String>,
    },
}

impl<'de> Deserialize<'de> for TextSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keys {
            path: FilePath,
            fields: Vec<String>,
        }
        UntaggedEnumVisitor::new()
            .expecting("a file, or a table with `path` and `fields`")
            .string(file_path::of_text)
            .map(|keys| {
                let Keys { path, fields } = keys.deserialize()?;
                Ok(TextSource::Fields { path, fields })
            })
            .deserialize(deserializer)
    }
}

impl From<FilePath> for TextSource {
    fn from(path: FilePath) -> Self {
        TextSource::Files(path)
    }
}

impl TextSource {
    /// The files, in the order in which they are read.
    pub fn files(&self) -> Result<Vec<PathBuf>, SourceError> {
        files::matching(self.path())
    }

    /// The file, folder or pattern.
    pub fn path(&self) -> &Path {
        match self {
            TextSource::Files(path) | TextSource::Fields { path, .. } => path,
        }
    }

    /// The fields of its rows, by default `usual`.
    fn fields(&self, usual: Fields) -> Fields {
        match self {
            TextSource::Files(_) => usual,
            TextSource::Fields { fields, .. } => Fields::Named(fields.clone()),
        }
    }
}

/// Options for reading plain text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// Number of documents to read; the rest are left out.
    pub limit: Option<u64>,
    /// Leave out documents that are equal to an earlier one. Takes 16 bytes of memory per document.
    pub unique: bool,
    /// Reading stops when a larger share of a file's rows cannot be used.
    pub max_rejected_fraction: f64,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            limit: None,
            unique: false,
            max_rejected_fraction: 0.1,
        }
    }
}

/// What became of the rows read so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextCounts {
    /// Documents.
    pub documents: u64,
    /// Rows without a document, by reason: `empty`, `no_text`, `malformed_json`, `not_utf8`,
    /// `too_long`.
    pub rejected: BTreeMap<String, u64>,
    /// Documents left out as equal to an earlier one.
    pub duplicates: u64,
}

/// A stream of documents. Ends after the first error.
pub struct Documents {
    files: std::vec::IntoIter<(PathBuf, Fields)>,
    open: Option<OpenFile>,
    /// Documents of the last row that were not handed out yet.
    pending: VecDeque<String>,
    options: TextOptions,
    seen: FxHashSet<[u8; 16]>,
    counts: TextCounts,
    failed: bool,
}

/// The file that is being read.
struct OpenFile {
    path: PathBuf,
    rows: Rows,
    usable: usize,
    rejected: Vec<Rejected>,
}

/// The documents of all files of these sources, in order.
///
/// # Errors
/// If a source has no files. Files are opened one by one while the stream is read.
pub fn documents(sources: &[TextSource], options: &TextOptions) -> Result<Documents, SourceError> {
    of_fields(sources, options, &Fields::Usual)
}

/// [`documents`] for texts as somebody wrote them: those of Alpaca's fields are none, unless they are
/// named.
pub(super) fn written_texts(
    source: &TextSource,
    options: &TextOptions,
) -> Result<Documents, SourceError> {
    of_fields(std::slice::from_ref(source), options, &Fields::Text)
}

fn of_fields(
    sources: &[TextSource],
    options: &TextOptions,
    usual: &Fields,
) -> Result<Documents, SourceError> {
    let mut files = Vec::new();
    for source in sources {
        let fields = source.fields(usual.clone());
        files.extend(
            source
                .files()?
                .into_iter()
                .map(|file| (file, fields.clone())),
        );
    }
    Ok(Documents {
        files: files.into_iter(),
        open: None,
        pending: VecDeque::new(),
        options: options.clone(),
        seen: FxHashSet::default(),
        counts: TextCounts::default(),
        failed: false,
    })
}

impl Documents {
    /// What became of the rows read so far.
    pub fn counts(&self) -> &TextCounts {
        &self.counts
    }

    /// The next document, unless it is left out as a duplicate.
    fn advance(&mut self) -> Result<Option<String>, SourceError> {
        loop {
            if let Some(document) = self.pending.pop_front() {
                if self.is_duplicate(&document) {
                    self.counts.duplicates += 1;
                    continue;
                }
                self.counts.documents += 1;
                return Ok(Some(document));
            }
            let Some(open) = &mut self.open else {
                let Some((path, fields)) = self.files.next() else {
                    return Ok(None);
                };
                self.open = Some(OpenFile {
                    rows: rows::open(&path, &fields)?,
                    path,
                    usable: 0,
                    rejected: Vec::new(),
                });
                continue;
            };
            match open.rows.next().transpose()? {
                Some(row) => self.take(row),
                None => self.close()?,
            }
        }
    }

    fn take(&mut self, (line, texts): Row) {
        let open = self.open.as_mut().expect("the row is of an open file");
        let texts = texts.map(|texts| {
            let full = |text: &String| !text.trim().is_empty();
            texts.into_iter().filter(full).collect::<Vec<_>>()
        });
        let broken = match texts {
            Ok(texts) if !texts.is_empty() => {
                open.usable += 1;
                self.pending.extend(texts);
                return;
            }
            // Blank lines separate documents in many text files: nobody has to be told.
            Ok(_) => {
                *self.counts.rejected.entry("empty".into()).or_default() += 1;
                return;
            }
            Err(broken) => broken,
        };
        let reason = broken.reason;
        *self.counts.rejected.entry(reason.into()).or_default() += 1;
        open.rejected.push(
            Broken {
                row: serde_json::Value::Null,
                ..broken
            }
            .at(&open.path, line),
        );
    }

    /// Ends the file that is being read.
    fn close(&mut self) -> Result<(), SourceError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let limit = self.options.max_rejected_fraction;
        super::judge(&open.path, &open.rejected, open.usable, limit)
    }

    fn is_duplicate(&mut self, document: &str) -> bool {
        if !self.options.unique {
            return false;
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(document.as_bytes()).as_bytes()[..16]);
        !self.seen.insert(hash)
    }
}

impl Iterator for Documents {
    type Item = Result<String, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let full = self
            .options
            .limit
            .is_some_and(|limit| self.counts.documents >= limit);
        if full || self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}
