//! Results of earlier runs in a stage's folder: finished parts, and the journals of other shards.

use std::path::Path;

use artefacts::{ArtefactError, Entries};

use super::StageError;
use super::manifest::Manifest;
use super::names::Names;
use super::shard::Shard;

/// All results in `folder` that are not in the journal of `own` shard, and those in the folders
/// that a run with a store had in its place before.
pub fn earlier(folder: &Path, own: Shard) -> Result<Entries<2>, StageError> {
    let mut entries = Entries::default();
    for before in artefacts::earlier(folder) {
        // Another run may be working there: what cannot be read costs the work, not the run.
        let _ = add_all(&before, None, &mut entries);
    }
    add_all(folder, Some(own), &mut entries)?;
    Ok(entries)
}

fn add_all(folder: &Path, own: Option<Shard>, entries: &mut Entries<2>) -> Result<(), StageError> {
    for shard in shards(folder)? {
        let names = Names::new(folder, shard);
        if Some(shard) != own && names.journal.exists() {
            entries.add_journal(&names.journal)?;
        }
        // A manifest or index that cannot be read costs the work, not the run.
        if let Ok(Some(manifest)) = Manifest::read(&names.manifest)
            && manifest.is_intact(folder)
        {
            entries.add_finished(&names.rows, [&names.output, &names.rejected])?;
        }
    }
    Ok(())
}

/// The shards that left files in `folder`, the whole first.
pub fn shards(folder: &Path) -> Result<Vec<Shard>, ArtefactError> {
    let mut shards = vec![Shard::WHOLE];
    for entry in std::fs::read_dir(folder).map_err(ArtefactError::io("read", folder))? {
        let name = entry
            .map_err(ArtefactError::io("read", folder))?
            .file_name();
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
