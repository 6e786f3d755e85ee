//! Results of earlier runs in a stage's folder: finished parts, and the journals of other shards.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::shard::Shard;
use super::store::{Sizes, Store, Stored};
use super::{StageError, atomic, journal};

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
            manifest: folder.join(Manifest::file_name(shard)),
            journal: named("journal", ""),
        }
    }

    /// Removes all of them, the manifest first: without it the rest counts for nothing.
    pub fn remove(&self) -> Result<(), StageError> {
        for path in [
            &self.manifest,
            &self.journal,
            &self.rows,
            &self.rejected,
            &self.output,
        ] {
            atomic::remove(path)?;
        }
        Ok(())
    }
}

/// All results in `folder` that are not in the journal of `own` shard.
pub fn earlier(folder: &Path, own: Shard) -> Result<Store, StageError> {
    let mut store = Store::default();
    for shard in shards(folder)? {
        let names = Names::new(folder, shard);
        if shard != own && names.journal.exists() {
            let file = store.add_file(&names.journal)?;
            journal::scan(&names.journal, &mut store, file)?;
        }
        // A manifest or index that cannot be read costs the work, not the run.
        if let Ok(Some(manifest)) = Manifest::read_shard(folder, shard)
            && is_intact(folder, &manifest)
        {
            enter(&names, &mut store)?;
        }
    }
    Ok(store)
}

/// The shards that left files in `folder`, the whole first.
pub fn shards(folder: &Path) -> Result<Vec<Shard>, StageError> {
    let mut shards = vec![Shard::WHOLE];
    for entry in std::fs::read_dir(folder).map_err(StageError::io("read", folder))? {
        let name = entry.map_err(StageError::io("read", folder))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let number = ["manifest-", "journal-"]
            .iter()
            .find_map(|kind| name.strip_prefix(kind));
        let shard = number.and_then(|number| {
            let (index, count) = number.trim_end_matches(".json").split_once("-of-")?;
            Shard::new(index.parse().ok()?, count.parse().ok()?).ok()
        });
        shards.extend(shard.filter(|shard| !shard.is_whole()));
    }
    shards[1..].sort_by_key(|shard| (shard.count(), shard.index()));
    shards.dedup();
    Ok(shards)
}

/// Whether the row files are the ones that the manifest describes.
pub fn is_intact(folder: &Path, manifest: &Manifest) -> bool {
    let is = |name: &str, hash: &str| {
        let mut hasher = blake3::Hasher::new();
        let hashed = std::fs::File::open(folder.join(name)).and_then(|file| {
            hasher.update_reader(file)?;
            Ok(hasher.finalize().to_hex().as_str() == hash)
        });
        hashed.unwrap_or(false)
    };
    let files = &manifest.files;
    is(&files.output, &files.output_hash)
        && is(&files.rejected, &files.rejected_hash)
        && files.others.iter().all(|(name, hash)| is(name, hash))
}

/// Enters the rows of a finished part, as its `rows.tsv` lists them: a line with the number of bytes
/// that precede the first row's rejected lines, then the sizes of every input row's results.
fn enter(names: &Names, store: &mut Store) -> Result<(), StageError> {
    let index = match std::fs::read_to_string(&names.rows) {
        Ok(index) => index,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StageError::io("read", &names.rows)(error)),
    };
    let (output_file, rejected_file) = (
        store.add_file(&names.output)?,
        store.add_file(&names.rejected)?,
    );
    let mut lines = index.lines();
    let Some(mut rejected_start) = lines.next().and_then(|line| line.parse().ok()) else {
        return Ok(());
    };
    let mut output_start = 0;
    for sizes in lines.map_while(|line| line.parse::<Sizes>().ok()) {
        store.insert(Stored {
            sizes,
            output: (output_file, output_start),
            rejected: (rejected_file, rejected_start),
        });
        output_start += sizes.output;
        rejected_start += sizes.rejected;
    }
    Ok(())
}
