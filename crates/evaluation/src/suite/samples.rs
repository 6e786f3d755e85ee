//! The samples of a task: appended batch by batch, and renamed when complete.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use artefacts::ArtefactError;
use serde::{Deserialize, Serialize};

use crate::task::Sample;

/// First line of an unfinished file and line after each batch: its key, and the time so far.
#[derive(Serialize, Deserialize)]
struct Mark {
    key: String,
    seconds: f64,
}

/// Samples of an unfinished task, in `<name>.unfinished`.
pub struct SampleFile {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    key: String,
    samples: Vec<Sample>,
    earlier_seconds: f64,
    seconds: f64,
}

/// All samples of a task.
pub struct Finished {
    pub samples: Vec<Sample>,
    pub seconds: f64,
    pub hash: String,
}

impl SampleFile {
    /// Opens the whole batches of an interrupted evaluation with the same key, or starts afresh.
    pub fn open(path: &Path, key: &str, batch: usize) -> Result<Self, ArtefactError> {
        let unfinished = path.with_extension("jsonl.unfinished");
        let (samples, seconds) = recover(&unfinished, key, batch);
        let mut content = mark(key, seconds);
        for sample in &samples {
            content.push_str(&line(sample));
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
            samples,
            earlier_seconds: seconds,
            seconds,
            unfinished,
        })
    }

    /// The samples so far.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Adds a batch; `seconds` is the time since the file was opened.
    pub fn append(&mut self, batch: Vec<Sample>, seconds: f64) -> Result<(), ArtefactError> {
        self.seconds = self.earlier_seconds + seconds;
        let mut content: String = batch.iter().map(line).collect();
        content.push_str(&mark(&self.key, self.seconds));
        let written = self.file.write_all(content.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(ArtefactError::io("write", &self.unfinished))?;
        self.samples.extend(batch);
        Ok(())
    }

    /// Renames the file to its final name.
    pub fn finish(self) -> Result<Finished, ArtefactError> {
        let content: String = self.samples.iter().map(line).collect();
        let hash = artefacts::write(&self.path, content.as_bytes())?;
        artefacts::remove(&self.unfinished)?;
        Ok(Finished {
            hash,
            samples: self.samples,
            seconds: self.seconds,
        })
    }
}

/// The samples of whole batches in an unfinished file of the same key.
fn recover(path: &Path, key: &str, batch: usize) -> (Vec<Sample>, f64) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let (mut whole, mut open, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    for line in text.split_inclusive('\n') {
        if let Ok(mark) = serde_json::from_str::<Mark>(line) {
            if mark.key != key {
                return (Vec::new(), 0.0);
            }
            seconds = mark.seconds;
            whole.append(&mut open);
        } else if let (Ok(sample), true) = (serde_json::from_str(line), line.ends_with('\n')) {
            open.push(sample);
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

fn line(sample: &Sample) -> String {
    let mut json = serde_json::to_string(sample).expect("a sample is plain data");
    json.push('\n');
    json
}

/// The samples of a finished task; empty if there are none.
pub fn read(path: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
