//! The rows that a stage works on: in memory, or streamed from the files of an earlier stage.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::ops::Range;
use std::path::{Path, PathBuf};

use artefacts::ArtefactError;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::manifest::{manifest, output_file};
use super::{Rejected, StageError};
use crate::plain_words::json_fault;
use crate::record::Row;

/// The rows that a stage works on, in a fixed order.
#[derive(Debug, Clone)]
pub struct Inputs<'a, T: Clone> {
    rows: Rows<'a, T>,
    rejected: &'a [Rejected],
}

#[derive(Debug, Clone)]
enum Rows<'a, T: Clone> {
    Slice(&'a [T]),
    File { path: PathBuf, rows: u64 },
}

impl<'a, T: Row> Inputs<'a, T> {
    /// Rows in memory.
    pub fn rows(rows: &'a [T]) -> Self {
        Self {
            rows: Rows::Slice(rows),
            rejected: &[],
        }
    }

    /// The output of the finished stage in `folder`, streamed.
    pub fn stage(folder: &Path) -> Result<Self, StageError> {
        let rows = Rows::File {
            rows: manifest(folder)?.results.counts.outputs,
            path: output_file(folder),
        };
        Ok(Self {
            rows,
            rejected: &[],
        })
    }

    /// Adds rows that were rejected while reading: they head the stage's `rejected.jsonl`
    /// and are counted in its manifest.
    pub fn with_rejected(self, rejected: &'a [Rejected]) -> Self {
        Self { rejected, ..self }
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        match &self.rows {
            Rows::Slice(rows) => rows.len() as u64,
            Rows::File { rows, .. } => *rows,
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows that were rejected while reading.
    pub fn rejected(&self) -> &'a [Rejected] {
        self.rejected
    }

    /// Identity of the rows and their order, and of the rejected ones.
    pub(crate) fn content_hash(&self) -> Result<String, StageError> {
        let rows = match &self.rows {
            Rows::File { path, .. } => artefacts::hash_file(path)?,
            Rows::Slice(rows) => json_hash(rows)?,
        };
        Ok(match self.rejected {
            [] => rows,
            rejected => json_hash(&(rows, rejected))?,
        })
    }

    /// All rows, one at a time.
    pub fn iter(
        &self,
    ) -> Result<impl Iterator<Item = Result<T, StageError>> + use<'a, T>, StageError> {
        let chunks = self.chunks(1024, 0..self.len().div_ceil(1024))?;
        Ok(chunks.flat_map(|chunk| match chunk {
            Ok(rows) => rows.into_owned().into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }))
    }

    /// Number of rows of which `matches` is true. A file's rows are read as `View`s, which need
    /// only have the fields that it looks at.
    pub(crate) fn count<View>(&self, matches: impl Fn(&View) -> bool) -> Result<u64, StageError>
    where
        View: DeserializeOwned + Send + for<'row> From<&'row T>,
    {
        let counted = |views: &[View]| views.iter().filter(|view| matches(view)).count() as u64;
        match &self.rows {
            Rows::Slice(rows) => Ok(counted(&rows.iter().map(View::from).collect::<Vec<_>>())),
            Rows::File { path, rows } => {
                let mut lines = Lines::open(path, *rows, 0)?;
                let mut count = 0;
                while lines.line < *rows {
                    count += counted(&lines.next_rows((rows - lines.line).min(4096))?);
                }
                Ok(count)
            }
        }
    }

    /// The chunks of `size` rows whose numbers are in `range`, in order; the last one of all may
    /// be shorter.
    pub(crate) fn chunks(
        &self,
        size: usize,
        range: Range<u64>,
    ) -> Result<Chunks<'a, T>, StageError> {
        let first = range.start * size as u64;
        let last = (range.end * size as u64).min(self.len());
        let reader = match &self.rows {
            Rows::Slice(rows) => Reader::Slice(rows[first as usize..last as usize].chunks(size)),
            Rows::File { path, rows, .. } => Reader::Lines(Lines::open(path, *rows, first)?),
        };
        Ok(Chunks {
            reader,
            size,
            last,
            failed: false,
        })
    }
}

fn json_hash(value: &impl Serialize) -> Result<String, StageError> {
    let mut hasher = BufWriter::with_capacity(1 << 18, blake3::Hasher::new());
    let written = serde_json::to_writer(&mut hasher, value);
    written.map_err(|error| StageError::Options(format!("a row is not JSON: {error}")))?;
    let hasher = hasher.into_inner().expect("hashing does not fail");
    Ok(hasher.finalize().to_hex().to_string())
}

/// Consecutive rows at a time, borrowed from memory or read from a file. Ends at the first error.
pub(crate) struct Chunks<'a, T: Clone> {
    reader: Reader<'a, T>,
    size: usize,
    /// The row after the last one.
    last: u64,
    failed: bool,
}

impl<'a, T: Row> Iterator for Chunks<'a, T> {
    type Item = Result<Cow<'a, [T]>, StageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let chunk = match &mut self.reader {
            Reader::Slice(chunks) => Ok(Cow::Borrowed(chunks.next()?)),
            Reader::Lines(lines) if lines.line >= self.last => return None,
            Reader::Lines(lines) => {
                let rows = (self.last - lines.line).min(self.size as u64);
                lines.next_rows(rows).map(Cow::Owned)
            }
        };
        self.failed = chunk.is_err();
        Some(chunk)
    }
}

enum Reader<'a, T> {
    Slice(std::slice::Chunks<'a, T>),
    Lines(Lines),
}

/// The lines of a stage's file.
struct Lines {
    reader: BufReader<File>,
    path: PathBuf,
    /// Lines read so far.
    line: u64,
    text: Vec<u8>,
    /// Rows that the manifest promises.
    rows: u64,
}

impl Lines {
    /// Opens a file of `rows` lines and skips the `first` of them.
    fn open(path: &Path, rows: u64, first: u64) -> Result<Lines, StageError> {
        let file = File::open(path).map_err(ArtefactError::io("open", path))?;
        let reader = BufReader::with_capacity(1 << 20, file);
        let mut lines = Lines {
            reader,
            path: path.to_owned(),
            line: 0,
            text: Vec::new(),
            rows,
        };
        while lines.line < first {
            lines.text.clear();
            lines.next_line()?;
        }
        Ok(lines)
    }

    /// Reads the next `count` rows.
    fn next_rows<T: DeserializeOwned + Send>(&mut self, count: u64) -> Result<Vec<T>, StageError> {
        let first = self.line + 1;
        self.text.clear();
        let mut ends = Vec::new();
        for _ in 0..count {
            self.next_line()?;
            ends.push(self.text.len());
        }
        let row = |index: usize| {
            let start = index.checked_sub(1).map_or(0, |previous| ends[previous]);
            serde_json::from_slice(&self.text[start..ends[index]])
                .map_err(|error| self.malformed(first + index as u64, json_fault(&error)))
        };
        (0..ends.len())
            .into_par_iter()
            .with_min_len(64)
            .map(row)
            .collect()
    }

    /// Appends the next line to the text.
    fn next_line(&mut self) -> Result<(), StageError> {
        let read = self.reader.read_until(b'\n', &mut self.text);
        if read.map_err(ArtefactError::io("read", &self.path))? == 0 {
            let (line, rows) = (self.line, self.rows);
            let message = format!("the file ends after {line} of the {rows} rows of its manifest");
            return Err(self.malformed(line, message));
        }
        self.line += 1;
        Ok(())
    }

    fn malformed(&self, line: u64, message: String) -> StageError {
        StageError::Malformed {
            path: self.path.clone(),
            line,
            message,
        }
    }
}
