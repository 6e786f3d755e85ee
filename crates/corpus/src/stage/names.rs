//! Names of the files in a stage's folder.

use std::path::{Path, PathBuf};

use artefacts::ArtefactError;

use super::shard::Shard;

/// The names of a shard's files.
#[derive(Debug, Clone)]
pub struct Names {
    /// Output rows.
    pub output: PathBuf,
    /// Rejected rows.
    pub rejected: PathBuf,
    /// Hash and sizes of every input row.
    pub rows: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
    /// The journal.
    pub journal: PathBuf,
}

impl Names {
    /// The names of `shard`'s files in `folder`.
    pub fn new(folder: &Path, shard: Shard) -> Names {
        let number = shard.numbered();
        let named = |name: &str, extension: &str| match shard.is_whole() {
            true => folder.join(format!("{name}{extension}")),
            false => folder.join(format!("{name}-{number}{extension}")),
        };
        Names {
            output: folder.join(format!("part-{number}.jsonl")),
            rejected: named("rejected", ".jsonl"),
            rows: named("rows", ".tsv"),
            manifest: named("manifest", ".json"),
            journal: named("journal", ""),
        }
    }

    /// Removes all of them, the manifest first: without it the rest counts for nothing.
    pub fn remove(&self) -> Result<(), ArtefactError> {
        for path in [
            &self.manifest,
            &self.journal,
            &self.rows,
            &self.rejected,
            &self.output,
        ] {
            artefacts::remove(path)?;
        }
        Ok(())
    }
}

/// The name of a file within its folder.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
