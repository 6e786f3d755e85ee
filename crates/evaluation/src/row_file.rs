//! Files of rows that are made batch by batch, one row a line: each batch is appended at once, and
//! the file gets its name when it is complete.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use artefacts::ArtefactError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// First line of an unfinished file and line after each batch: its key, and the time so far.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    key: String,
    seconds: f64,
}

/// Rows of an unfinished file, in `NAME.unfinished`.
pub(crate) struct RowFile<T> {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    key: String,
    rows: Vec<T>,
    earlier_seconds: f64,
    seconds: f64,
}

/// All rows of a file.
pub(crate) struct Finished<T> {
    pub rows: Vec<T>,
    pub seconds: f64,
    pub hash: String,
}

impl<T: Serialize + DeserializeOwned> RowFile<T> {
    /// Opens the whole batches of an interrupted run with the same key, or starts afresh. `path`
    /// ends in `.jsonl`.
    pub fn open(path: &Path, key: &str, batch: usize) -> Result<Self, ArtefactError> {
        let unfinished = unfinished(path);
        let (rows, seconds) = recover(&unfinished, key, batch);
        let mut content = mark(key, seconds);
        for row in &rows {
            content.push_str(&line(row));
        }
        content.push_str(&mark(key, seconds));
        artefacts::write(&unfinished, content.as_bytes())?;
        let file = OpenOptions::new()
            .append(true)
            .open(&unfinished)
            .map_err(ArtefactError::io("open", &unfinished))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            key: key.to_owned(),
            rows,
            earlier_seconds: seconds,
            seconds,
            unfinished,
        })
    }

    /// The rows so far.
    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// Adds a batch; `seconds` is the time since the file was opened.
    pub fn append(&mut self, batch: Vec<T>, seconds: f64) -> Result<(), ArtefactError> {
        self.seconds = self.earlier_seconds + seconds;
        let mut content: String = batch.iter().map(line).collect();
        content.push_str(&mark(&self.key, self.seconds));
        let written = self.file.write_all(content.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(ArtefactError::io("write", &self.unfinished))?;
        self.rows.extend(batch);
        Ok(())
    }

    /// Seconds of work so far, those before an interruption included.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The hash that the file will have.
    pub fn hash(&self) -> String {
        artefacts::hash_of(self.content().as_bytes())
    }

    fn content(&self) -> String {
        self.rows.iter().map(line).collect()
    }

    /// Renames the file to its final name.
    pub fn finish(self) -> Result<Finished<T>, ArtefactError> {
        let content = self.content();
        let hash = artefacts::write(&self.path, content.as_bytes())?;
        artefacts::remove(&self.unfinished)?;
        Ok(Finished {
            hash,
            rows: self.rows,
            seconds: self.seconds,
        })
    }
}

/// The unfinished file that becomes `path`.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("jsonl.unfinished")
}

/// Removes what a kill has left beside the finished file at `path`.
pub(crate) fn clear(path: &Path) -> Result<(), ArtefactError> {
    artefacts::remove(&unfinished(path))
}

/// The rows of whole batches in an unfinished file of the same key.
fn recover<T: DeserializeOwned>(path: &Path, key: &str, batch: usize) -> (Vec<T>, f64) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let (mut whole, mut open, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    for line in text.split_inclusive('\n') {
        if let Ok(mark) = serde_json::from_str::<Mark>(line) {
            if mark.key != key {
                return (Vec::new(), 0.0);
            }
            seconds = mark.seconds;
            whole.append(&mut open);
        } else if let (Ok(row), true) = (serde_json::from_str(line), line.ends_with('\n')) {
            open.push(row);
        } else {
            break;
        }
    }
    whole.truncate(whole.len() / batch * batch);
    (whole, seconds)
}

fn mark(key: &str, seconds: f64) -> String {
    format!("{{\"key\":{key:?},\"seconds\":{seconds:.3}}}\n")
}

fn line(row: &impl Serialize) -> String {
    let mut json = serde_json::to_string(row).expect("a row is plain data");
    json.push('\n');
    json
}

/// The rows of a finished file; empty if there is none. Lines that do not parse are left out.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
