//! Reads evaluation sets in whatever form they have: all text in them counts.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde_json::Value;

use super::EvaluationIndex;
use crate::labelled::{LabelledError, records};
use crate::source::{SourceError, Text, entries};

impl EvaluationIndex {
    /// Adds the texts of a file: every string of `.jsonl`, `.ndjson`, `.json` and `.parquet`, every
    /// column of `.tsv` and `.csv`, and every line of other files; `.gz` is unpacked. A folder
    /// stands for all files in it.
    pub fn add_file(&mut self, path: &Path) -> Result<(), LabelledError> {
        if path.is_dir() {
            return entries(path)?
                .iter()
                .try_for_each(|file| self.add_file(file));
        }
        let kind = path.extension().and_then(|extension| extension.to_str());
        let mut texts = Vec::new();
        if matches!(kind, Some("parquet" | "csv" | "gz")) {
            for (_, row) in records(path)? {
                let row = row.unwrap_or_default();
                row.values().for_each(|value| strings(value, &mut texts));
            }
            return self.add_texts(path, texts);
        }
        let text = Text::read(path)?;
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
        self.add_texts(path, texts)
    }

    /// Adds the distinct `texts` of a file.
    fn add_texts(&mut self, path: &Path, mut texts: Vec<String>) -> Result<(), LabelledError> {
        let mut seen = FxHashSet::default();
        texts.retain(|text| !text.trim().is_empty() && seen.insert(text.clone()));
        if texts.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            }
            .into());
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
