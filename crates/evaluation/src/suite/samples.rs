//! The samples of a task: appended batch by batch, complete under their name only at the end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::EvaluateError;
use crate::task::Sample;

/// First line of an unfinished file, and after every batch: what it belongs to, how far it is.
#[derive(Serialize, Deserialize)]
struct Mark {
    key: String,
    seconds: f64,
}

/// Samples of a task that is being evaluated, in `<name>.unfinished`.
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
    /// Opens what an interrupted evaluation with the same key left, less a batch that was being
    /// written; starts anew otherwise.
    pub fn open(path: &Path, key: &str, batch: usize) -> Result<Self, EvaluateError> {
        let unfinished = path.with_extension("jsonl.unfinished");
        let (samples, seconds) = recover(&unfinished, key, batch);
        let io = || EvaluateError::io(&unfinished);
        let mut content = mark(key, seconds);
        for sample in &samples {
            content.push_str(&line(sample));
        }
        content.push_str(&mark(key, seconds));
        replace(&unfinished, content.as_bytes()).map_err(io())?;
        let file = OpenOptions::new()
            .append(true)
            .open(&unfinished)
            .map_err(io())?;
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

    /// What is there.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Adds a batch; `seconds` is the time since the file was opened.
    pub fn append(&mut self, batch: Vec<Sample>, seconds: f64) -> Result<(), EvaluateError> {
        self.seconds = self.earlier_seconds + seconds;
        let mut content: String = batch.iter().map(line).collect();
        content.push_str(&mark(&self.key, self.seconds));
        let written = self.file.write_all(content.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(EvaluateError::io(&self.unfinished))?;
        self.samples.extend(batch);
        Ok(())
    }

    /// Puts the samples in their place.
    pub fn finish(self) -> Result<Finished, EvaluateError> {
        let content: String = self.samples.iter().map(line).collect();
        replace(&self.path, content.as_bytes()).map_err(EvaluateError::io(&self.path))?;
        std::fs::remove_file(&self.unfinished).map_err(EvaluateError::io(&self.unfinished))?;
        Ok(Finished {
            hash: blake3::hash(content.as_bytes()).to_hex().to_string(),
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

/// Writes a file beside its place and moves it there.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".incomplete");
    let incomplete = path.with_file_name(name);
    let mut file = File::create(&incomplete)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&incomplete, path)
}

/// Hash of a finished file of samples; `None` where there is none.
pub fn hash(path: &Path) -> Option<String> {
    Some(
        blake3::hash(&std::fs::read(path).ok()?)
            .to_hex()
            .to_string(),
    )
}

/// The samples of a finished task; empty where there are none.
pub fn read(path: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
