//! `xldistill clean`: deletes what a finished run no longer needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use artefacts::training::TrainRecord;
use artefacts::{Lock, MANIFEST_FILE, Manifest};
use serde::Deserialize;
use serde_json::Value;

use crate::arguments::CleanArguments;
use crate::grid;

/// The part of a checkpoint's `trainer_state.json` that names its files.
#[derive(Deserialize)]
struct StateFile {
    files: BTreeMap<String, Value>,
}

const STATE_FILE: &str = "trainer_state.json";

/// Deletes, or shows, the checkpoints of finished trainings and the files that killed processes
/// left behind, in a run, in all runs of a grid, or in a store. Files that the program did not write
/// stay.
pub fn run(arguments: &CleanArguments) -> Result<()> {
    let found = found(&arguments.folder)?;
    // Nobody works in these folders while files disappear from them.
    let locks = found.folders.iter().map(|folder| Lock::whole(folder));
    let _locks = locks.collect::<Result<Vec<_>, _>>()?;
    let bytes = found.bytes();
    for file in &found.files {
        println!("{}", file.display());
        if !arguments.dry_run {
            let removed = fs::remove_file(file);
            removed.with_context(|| format!("cannot delete {}", file.display()))?;
        }
    }
    if !arguments.dry_run {
        // A folder with a file of somebody else stays.
        let folders = found
            .emptied
            .iter()
            .filter(|folder| fs::remove_dir(folder).is_err());
        for folder in folders {
            eprintln!("{} stays: it holds other files", folder.display());
        }
    }
    for reason in &found.kept {
        eprintln!("{reason}");
    }
    let (count, size) = (found.files.len(), readable(bytes));
    match arguments.dry_run {
        _ if count == 0 => eprintln!("nothing to delete"),
        true => eprintln!("{count} files, {size}; without --dry-run they are deleted"),
        false => eprintln!("{count} files deleted, {size} freed"),
    }
    Ok(())
}

/// What there is to delete in the folder of a run or a grid, or in a store.
fn found(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    if folder.join("config.toml").is_file() {
        find(folder, folder, &mut found)?;
    } else if let Some(runs) = grid::runs_in(folder) {
        for run in runs.iter().filter(|run| run.is_dir()) {
            find(run, run, &mut found)?;
        }
    } else if artefacts::is_store(folder) {
        find(folder, folder, &mut found)?;
    } else {
        bail!(
            "{} is not the folder of a run, of a grid or of a store: it has no config.toml, grid.json \
             or .store",
            folder.display()
        );
    }
    Ok(found)
}

/// Size of what `clean` would delete in the folder of a run or a grid; `None` if that is nothing.
pub fn deletable(folder: &Path) -> Option<String> {
    let bytes = found(folder).ok()?.bytes();
    (bytes > 0).then(|| readable(bytes))
}

#[derive(Default)]
struct Found {
    /// Files to delete; runs may share a store, so each is here once.
    files: BTreeSet<PathBuf>,
    /// Folders that are empty then; none is inside another.
    emptied: BTreeSet<PathBuf>,
    /// Folders in which processes work.
    folders: BTreeSet<PathBuf>,
    /// What stays, and why.
    kept: BTreeSet<String>,
}

impl Found {
    fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(fs::symlink_metadata);
        sizes.flatten().map(|data| data.len()).sum()
    }
}

/// Looks through `folder`. Links are followed into a store alone: a finished training needs no
/// checkpoints, whichever runs share it. Others lead out of what the program wrote.
fn find(run: &Path, folder: &Path, found: &mut Found) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        paths.push((entry.path(), entry.file_type()?));
    }
    paths.sort_by(|(a, _), (b, _)| a.cmp(b));
    let has_checkpoints = paths.iter().any(|(path, _)| is_checkpoint(path));
    let is_finished = folder.join(MANIFEST_FILE).is_file() && has_model(run, folder);
    if folder.join(".lock").exists() {
        found.folders.insert(folder.to_owned());
    }
    if has_checkpoints && !is_finished {
        found.kept.insert(format!(
            "{}: the checkpoints stay, since the training is not finished",
            folder.display()
        ));
    }
    for (path, kind) in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_checkpoint(&path) {
            if kind.is_dir() && is_finished {
                checkpoint(&path, found)?;
            }
        } else if is_left_over(kind.is_file(), &name)
            || kind.is_symlink() && name == "best" && has_checkpoints && is_finished
        {
            found.files.insert(path);
        } else if kind.is_dir() {
            find(run, &path, found)?;
        } else if kind.is_symlink()
            && let Ok(target) = path.canonicalize()
            && target.is_dir()
            && target.parent().is_some_and(artefacts::is_store)
        {
            find(run, &target, found)?;
        }
    }
    Ok(())
}

/// Whether the model that the training in `folder` made is there: inside, in its run, or in its store
/// under the key of the training or of what was exported.
fn has_model(run: &Path, folder: &Path) -> bool {
    let exported = || {
        let manifest = Manifest::<TrainRecord>::read(&folder.join(MANIFEST_FILE)).ok()??;
        let key = manifest.results.export.model_key(&manifest.key);
        artefacts::beside(folder, "model", Some(&key))
    };
    folder.join("model").is_dir()
        || run.join("model").is_dir()
        || artefacts::beside(folder, "model", None).is_some_and(|model| model.is_dir())
        || exported().is_some_and(|model| model.is_dir())
}

/// Whether it is an atomic file that a killed process did not finish.
fn is_left_over(is_file: bool, name: &str) -> bool {
    is_file && name.ends_with(".incomplete")
}

fn is_checkpoint(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name.strip_prefix("checkpoint-");
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Adds the files that a checkpoint lists as its own.
fn checkpoint(folder: &Path, found: &mut Found) -> Result<()> {
    let state = folder.join(STATE_FILE);
    let text = fs::read(&state).ok();
    let listed = text.and_then(|text| serde_json::from_slice::<StateFile>(&text).ok());
    let Some(StateFile { files }) = listed else {
        found.kept.insert(format!(
            "{} stays: {STATE_FILE}, which lists its files, cannot be read",
            folder.display()
        ));
        return Ok(());
    };
    let own = files
        .keys()
        .filter(|name| Path::new(name).components().count() == 1);
    let own = own
        .map(|name| folder.join(name))
        .filter(|path| path.is_file());
    found.files.extend(own);
    found.files.insert(state);
    found.emptied.insert(folder.to_owned());
    Ok(())
}

/// A readable size: `12 MB`.
fn readable(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
