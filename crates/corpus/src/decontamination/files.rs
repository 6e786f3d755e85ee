//! Reads evaluation sets in whatever form they have: all text in them counts.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde_json::Value;

use super::EvaluationIndex;
use crate::source::kind::Kind;
use crate::source::{SourceError, Text, delimited, entries, parquet, tmx};

impl EvaluationIndex {
    /// Adds the texts of a file: every string of `.jsonl`, `.ndjson`, `.json` and `.parquet`, every
    /// cell of `.tsv` and `.csv`, every segment of `.tmx`, and every line of other files. A folder stands for all files in it.
    pub fn add_file(&mut self, path: &Path) -> Result<(), SourceError> {
        if path.is_dir() {
            return entries(path)?
                .iter()
                .try_for_each(|file| self.add_file(file));
        }
        let mut texts = Vec::new();
        match Kind::of(path) {
            Some(Kind::Parquet) => {
                for row in parquet::open(path, &|_| true)? {
                    strings(&row?.1, &mut texts);
                }
            }
            Some(Kind::Json) => {
                let value = serde_json::from_slice(Text::read(path)?.bytes());
                strings(&value.map_err(SourceError::json(path, 0))?, &mut texts);
            }
            Some(Kind::Tmx) => {
                let units = tmx::units(&Text::read(path)?, path)?.into_iter();
                texts.extend(units.flat_map(|(_, unit)| unit).map(|(_, text)| text));
            }
            Some(Kind::Commas) => {
                for (line, row) in delimited::csv_rows(&Text::read(path)?, path)? {
                    for cell in row {
                        let cell = String::from_utf8(cell).map_err(|_| not_utf8(path, line))?;
                        texts.push(cell);
                    }
                }
            }
            kind => {
                for (number, line) in Text::read(path)?.full_lines() {
                    let line = std::str::from_utf8(line).map_err(|_| not_utf8(path, number))?;
                    let line = line.trim_end_matches('\r');
                    match kind {
                        Some(Kind::JsonLines) => {
                            let value = serde_json::from_str(line);
                            let value = value.map_err(SourceError::json(path, number - 1))?;
                            strings(&value, &mut texts);
                        }
                        Some(Kind::Tabs) => texts.extend(line.split('\t').map(str::to_owned)),
                        _ => texts.push(line.to_owned()),
                    }
                }
            }
        }
        self.add_texts(path, texts)
    }

    /// Adds the distinct `texts` of a file.
    fn add_texts(&mut self, path: &Path, mut texts: Vec<String>) -> Result<(), SourceError> {
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

fn not_utf8(path: &Path, line: u64) -> SourceError {
    SourceError::NotUtf8 {
        path: path.to_owned(),
        line,
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
