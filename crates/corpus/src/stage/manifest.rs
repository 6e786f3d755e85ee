//! `manifest.json`: what a finished stage did. A folder without one is unfinished.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finished::Names;
use super::shard::Shard;
use super::{StageError, atomic};
use crate::seam::EngineIdentity;

/// What a finished stage did, with what, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the stage, e.g. `translate`.
    pub stage: String,
    /// Version of the stage's code; part of the fingerprint.
    pub stage_version: u32,
    /// Version of xldistill.
    pub xldistill_version: String,
    /// Hash of the stage, its engines and its parameters: part of every row's hash.
    pub fingerprint: String,
    /// The parameters that shape the output.
    pub parameters: Value,
    /// The engines that did the work, with their revisions and licences.
    pub engines: Vec<EngineIdentity>,
    /// Which part of the rows this is.
    pub shard: Shard,
    /// Hash of all input rows in order, together with the fingerprint.
    pub input_hash: String,
    /// The files beside this manifest.
    pub files: Files,
    /// How many rows came, went and stayed.
    pub counts: Counts,
    /// What the stage itself wants to be known, e.g. the sizes of the subsets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// When the stage ended, in seconds since 1970-01-01T00:00:00Z.
    pub finished_at: u64,
    /// Seconds of work, over all the runs it took.
    pub seconds: f64,
    /// Input rows a second.
    pub rows_per_second: f64,
}

/// The files of a finished stage, by name within its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The rows that go on to the next stage.
    pub output: String,
    /// Its blake3 hash.
    pub output_hash: String,
    /// What was kept aside.
    pub rejected: String,
    /// Its blake3 hash.
    pub rejected_hash: String,
    /// Further files of the stage with their blake3 hashes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, String>,
}

impl Files {
    /// The names of a shard's files, without their hashes.
    pub(crate) fn of(names: &Names) -> Files {
        Files {
            output: file_name(&names.output),
            output_hash: String::new(),
            rejected: file_name(&names.rejected),
            rejected_hash: String::new(),
            others: BTreeMap::new(),
        }
    }
}

/// How many rows came, went and stayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Input rows.
    pub rows: u64,
    /// Of these, rows whose result was taken from an earlier run.
    pub reused: u64,
    /// Output rows.
    pub outputs: u64,
    /// Input rows that no output row came of.
    pub rows_without_output: u64,
    /// Input rows with at least one rejection.
    pub rows_with_rejection: u64,
    /// Rows that were already rejected where they were read.
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

/// The name of a file within its folder.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn add(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

impl Manifest {
    /// Name of the manifest of a shard.
    pub fn file_name(shard: Shard) -> String {
        if shard.is_whole() {
            "manifest.json".into()
        } else {
            format!("manifest-{}.json", shard.numbered())
        }
    }

    /// The manifest of a finished stage; an error where the stage has not finished.
    pub fn read(folder: &Path) -> Result<Manifest, StageError> {
        Self::read_shard(folder, Shard::WHOLE)?.ok_or_else(|| StageError::Unfinished {
            folder: folder.to_owned(),
            missing: Self::file_name(Shard::WHOLE),
        })
    }

    /// Puts the manifest at `path`, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StageError> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| StageError::Options(format!("manifest: {error}")))?;
        json.push(b'\n');
        atomic::write(path, &json)
    }

    /// The manifest of one shard, `None` where it has not finished.
    pub(super) fn read_shard(folder: &Path, shard: Shard) -> Result<Option<Manifest>, StageError> {
        let path = folder.join(Self::file_name(shard));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StageError::io("read", &path)(error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StageError::Malformed {
                path,
                line: error.line() as u64,
                message: error.to_string(),
            })
    }
}
