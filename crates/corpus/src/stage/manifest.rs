//! `manifest.json` of a row-wise stage. A folder without one is unfinished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StageError;
use super::names::Names;
use super::shard::Shard;

/// The manifest of a finished stage over rows.
pub type Manifest = artefacts::Manifest<RowResults>;

/// The part of the manifest that stages over rows add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowResults {
    /// Which part of the rows this is.
    pub shard: Shard,
    /// Numbers of rows.
    pub counts: Counts,
    /// Further numbers of the stage, e.g. the sizes of the subsets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// Input rows a second.
    pub rows_per_second: f64,
}

/// Numbers of rows that came in, went out and were rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Input rows.
    pub rows: u64,
    /// Of these, rows whose result was taken from an earlier run.
    pub reused: u64,
    /// Output rows.
    pub outputs: u64,
    /// Input rows without an output row.
    pub rows_without_output: u64,
    /// Input rows with at least one rejection.
    pub rows_with_rejection: u64,
    /// Rows that were rejected while reading.
    pub rejected_at_source: u64,
    /// Rejections by reason.
    pub rejections: BTreeMap<String, u64>,
    /// Rejections by field, then reason.
    pub rejections_by_field: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    pub(crate) fn count_rejection(&mut self, field: &str, reason: &str) {
        add(&mut self.rejections, reason);
        if !self.rejections_by_field.contains_key(field) {
            self.rejections_by_field
                .insert(field.to_owned(), BTreeMap::new());
        }
        add(
            self.rejections_by_field
                .get_mut(field)
                .expect("inserted above"),
            reason,
        );
    }
}

fn add(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

/// The manifest of the finished stage in `folder`; an error if the stage has not finished.
pub fn manifest(folder: &Path) -> Result<Manifest, StageError> {
    let path = Names::new(folder, Shard::WHOLE).manifest;
    Manifest::read(&path)?.ok_or_else(|| StageError::Unfinished {
        folder: folder.to_owned(),
        missing: artefacts::MANIFEST_FILE.to_owned(),
    })
}

/// The file with the output rows of the finished stage in `folder`.
pub fn output_file(folder: &Path) -> PathBuf {
    Names::new(folder, Shard::WHOLE).output
}

/// The file with what the finished stage in `folder` rejected.
pub fn rejected_file(folder: &Path) -> PathBuf {
    Names::new(folder, Shard::WHOLE).rejected
}
