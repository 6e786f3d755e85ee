//! Reads evaluation sets as they are found: whatever text is in them counts.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::EvaluationIndex;

/// An evaluation file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct EvaluationFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl EvaluationIndex {
    /// Adds the texts of a file: every string in it where it is `.jsonl`, `.ndjson` or `.json`,
    /// every column of a `.tsv`, and the lines of any other. A folder is all files in it.
    pub fn add_file(&mut self, path: &Path) -> Result<(), EvaluationFileError> {
        let error = |message: String| EvaluationFileError {
            path: path.to_owned(),
            message,
        };
        let unreadable = |e: io::Error| error(e.to_string());
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            let mut files = Vec::new();
            for entry in entries {
                files.push(entry.map_err(unreadable)?.path());
            }
            files.sort();
            return files.iter().try_for_each(|file| self.add_file(file));
        }
        let text = std::fs::read(path).map_err(unreadable)?;
        let text = String::from_utf8(text).map_err(|e| {
            error(format!(
                "not UTF-8 from byte {}",
                e.utf8_error().valid_up_to()
            ))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut texts = Vec::new();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson") => {
                for (line, number) in text.lines().zip(1..) {
                    if !line.trim().is_empty() {
                        let value: Value = serde_json::from_str(line)
                            .map_err(|e| error(format!("line {number}: {e}")))?;
                        strings(&value, &mut texts);
                    }
                }
            }
            Some("json") => {
                let value: Value = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
                strings(&value, &mut texts);
            }
            Some("tsv") => texts.extend(
                text.lines()
                    .flat_map(|line| line.split('\t'))
                    .map(str::to_owned),
            ),
            _ => texts.extend(text.lines().map(str::to_owned)),
        }
        texts.retain(|text| !text.trim().is_empty());
        if texts.is_empty() {
            return Err(error("there is no text in it".into()));
        }
        let texts = super::distinct(texts);
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        self.add(&name, texts.iter().map(String::as_str));
        Ok(())
    }
}

/// Every string in `value`; addresses, which many rows may share, are left out.
fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.starts_with("http") => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, texts)),
        Value::Object(entries) => entries.values().for_each(|value| strings(value, texts)),
        _ => {}
    }
}
