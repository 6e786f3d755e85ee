//! Reads evaluation sets in whatever form they have: all text in them counts.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde_json::Value;

use super::EvaluationIndex;
use crate::source::{SourceError, Text, entries};

impl EvaluationIndex {
    /// Adds the texts of a file: every string of `.jsonl`, `.ndjson` and `.json`, every column of
    /// `.tsv`, and every line of other files. A folder stands for all files in it.
    pub fn add_file(&mut self, path: &Path) -> Result<(), SourceError> {
        if path.is_dir() {
            return entries(path)?
                .iter()
                .try_for_each(|file| self.add_file(file));
        }
        let text = Text::read(path)?;
        let kind = path.extension().and_then(|extension| extension.to_str());
        let mut texts = Vec::new();
        if kind == Some("json") {
            let value = serde_json::from_slice(text.bytes());
            strings(&value.map_err(SourceError::json(path, 0))?, &mut texts);
        } else {
            for (number, line) in text.full_lines() {
                let line = std::str::from_utf8(line).map_err(|_| SourceError::NotUtf8 {
                    path: path.to_owned(),
                    line: number,
                })?;
                let line = line.trim_end_matches('\r');
                match kind {
                    Some("jsonl" | "ndjson") => {
                        let value = serde_json::from_str(line);
                        strings(
                            &value.map_err(SourceError::json(path, number - 1))?,
                            &mut texts,
                        );
                    }
                    Some("tsv") => texts.extend(line.split('\t').map(str::to_owned)),
                    _ => texts.push(line.to_owned()),
                }
            }
        }
        let mut seen = FxHashSet::default();
        texts.retain(|text| !text.trim().is_empty() && seen.insert(text.clone()));
        if texts.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        self.add(&name.to_string_lossy(), texts.iter().map(String::as_str));
        Ok(())
    }
}

/// Every string in `value`, except addresses, which many rows may share.
fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.starts_with("http") => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, texts)),
        Value::Object(entries) => entries.values().for_each(|value| strings(value, texts)),
        _ => {}
    }
}
