//! Checkpoints are complete or absent, and only the run that wrote them resumes from them.
//!
//! `checkpoint-N/` contains `optimizer.safetensors`, the trained parameters, and
//! `trainer_state.json` with the hashes of the other files. It is written under a temporary name,
//! flushed to disk and renamed, so a kill costs at most the steps since the previous checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use artefacts::training::METRICS_FILE;
use artefacts::{ArtefactError, MANIFEST_FILE, Manifest, Provenance, sync_folder};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunError;
use super::differences::differences;
use super::state::TrainerState;
use crate::optimizer::{AdamW, read_tensors, write_tensors};

const PREFIX: &str = "checkpoint-";
const PARTIAL_SUFFIX: &str = ".partial";
const STATE_FILE: &str = "trainer_state.json";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Link to the checkpoint with the lowest held-out loss.
const BEST_LINK: &str = "best";

/// `trainer_state.json`.
#[derive(Serialize, Deserialize)]
struct StateFile {
    #[serde(flatten)]
    state: TrainerState,
    /// Whether it was written between two regular checkpoints.
    #[serde(default)]
    kind: Kind,
    /// Hashes of the checkpoint's other files, by name.
    files: BTreeMap<String, String>,
}

/// Why a checkpoint was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The settings ask for it after this step.
    #[default]
    Regular,
    /// The run was interrupted, or the last one was long ago. It makes way for the next regular
    /// one, so that the checkpoints of a finished run do not depend on the clock.
    Passing,
}

/// Name of the checkpoint after `step` optimiser steps.
pub fn name(step: usize) -> String {
    format!("{PREFIX}{step}")
}

/// The complete checkpoints in `folder`, by step.
fn list(folder: &Path) -> Result<Vec<(usize, PathBuf)>, ArtefactError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let step = name.and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        if let Some(step) = step {
            found.push((step, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The state of the newest checkpoint in `folder`, and its path; `None` if there is none.
///
/// Fails if the checkpoint belongs to another run than `now`.
pub fn newest(
    folder: &Path,
    now: &Provenance,
) -> Result<Option<(PathBuf, TrainerState)>, RunError> {
    let Some((_, path)) = list(folder)?.pop() else {
        return Ok(None);
    };
    let state = read(&path)?;
    let differences = differences(&state.provenance, now);
    if !differences.is_empty() {
        return Err(RunError::OtherRun {
            folders: vec![folder.to_owned()],
            differences: differences.join("; "),
        });
    }
    Ok(Some((path, state)))
}

/// From what the training in `folder` was made, finished or not. `None` if nothing was trained there,
/// or if what was cannot be read, which the training itself says.
pub fn trained_from(folder: &Path) -> Option<Provenance> {
    match list(folder).ok()?.pop() {
        Some((_, path)) => {
            let json = fs::read(path.join(STATE_FILE)).ok()?;
            let file: StateFile = serde_json::from_slice(&json).ok()?;
            Some(file.state.provenance)
        }
        // Those of a finished training may have been deleted.
        None if folder.join(METRICS_FILE).is_file() => {
            let manifest = Manifest::<Value>::read(&folder.join(MANIFEST_FILE));
            Some(manifest.ok()??.provenance)
        }
        None => None,
    }
}

/// Fails if `folder` has checkpoints of another run than `now`, so that training would refuse to go
/// on there.
pub fn require_same_run(folder: &Path, now: &Provenance) -> Result<(), RunError> {
    newest(folder, now).map(drop)
}

/// The state of the checkpoint at `path`, after its files have been checked against their hashes.
pub fn read(path: &Path) -> Result<TrainerState, RunError> {
    let state_path = path.join(STATE_FILE);
    let json = fs::read(&state_path).map_err(ArtefactError::io("read", &state_path))?;
    let StateFile { state, files, .. } =
        serde_json::from_slice(&json).map_err(RunError::state(&state_path))?;
    for (name, hash) in files {
        let file = path.join(name);
        if artefacts::hash_file(&file)? != hash {
            return Err(RunError::Damaged(file));
        }
    }
    Ok(state)
}

/// The optimiser's state in `checkpoint`.
pub fn read_optimizer(checkpoint: &Path, device: &Device) -> Result<AdamW, RunError> {
    let tensors = read_tensors(&checkpoint.join(OPTIMIZER_FILE), device)?;
    Ok(AdamW::from_tensors(tensors))
}

/// Writes the checkpoint of `state` into `folder`; `write_parameters` adds the trained parameters
/// to the folder it is given.
pub fn write<E: From<RunError>>(
    folder: &Path,
    state: &TrainerState,
    kind: Kind,
    optimizer: &AdamW,
    write_parameters: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let path = folder.join(name(state.global_step));
    let partial = folder.join(name(state.global_step) + PARTIAL_SUFFIX);
    begin(&path, &partial).map_err(RunError::from)?;
    write_parameters(&partial)?;
    let complete = || {
        write_tensors(&partial.join(OPTIMIZER_FILE), &optimizer.tensors())?;
        let state_path = partial.join(STATE_FILE);
        let mut files = BTreeMap::new();
        for file in entries(&partial)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            files.insert(name.into_owned(), artefacts::hash_file(&file)?);
        }
        let state = state.clone();
        let json = serde_json::to_string_pretty(&StateFile { state, kind, files })
            .map_err(RunError::state(&state_path))?;
        artefacts::write(&state_path, (json + "\n").as_bytes())?;
        sync_files(&partial)?;
        fs::rename(&partial, &path).map_err(ArtefactError::io("rename", &partial))?;
        sync_folder(folder);
        Ok::<_, RunError>(())
    };
    Ok(complete()?)
}

fn begin(path: &Path, partial: &Path) -> Result<(), ArtefactError> {
    remove_folder(partial)?;
    remove_folder(path)?;
    fs::create_dir_all(partial).map_err(ArtefactError::io("create", partial))
}

/// Points the `best` link at `best`, and deletes all checkpoints except it and the `keep` newest,
/// passing ones before the newest, and anything that killed runs left unfinished.
///
/// Called after every checkpoint and when a run resumes, since the run may have been killed in
/// between.
pub fn settle(folder: &Path, keep: usize, best: Option<&str>) -> Result<(), ArtefactError> {
    if let Some(best) = best {
        link_best(folder, best)?;
    }
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(PARTIAL_SUFFIX) {
            remove_folder(&path)?;
        }
    }
    let mut checkpoints = list(folder)?;
    if let Some(newest) = checkpoints.pop() {
        let (passing, mut kept): (Vec<_>, Vec<_>) = checkpoints
            .into_iter()
            .partition(|(_, path)| is_passing(path));
        for (_, path) in passing {
            remove_folder(&path)?;
        }
        kept.push(newest);
        checkpoints = kept;
    }
    let old = checkpoints.len().saturating_sub(keep);
    for (step, path) in &checkpoints[..old] {
        if best != Some(name(*step).as_str()) {
            remove_folder(path)?;
        }
    }
    Ok(())
}

/// Whether the checkpoint at `path` was written between two regular ones. One that cannot be read
/// counts as regular.
fn is_passing(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        kind: Kind,
    }
    let json = fs::read(path.join(STATE_FILE)).ok();
    let written = json.and_then(|json| serde_json::from_slice::<Written>(&json).ok());
    written.is_some_and(|written| written.kind == Kind::Passing)
}

/// Points the link at `checkpoint`, atomically.
fn link_best(folder: &Path, checkpoint: &str) -> Result<(), ArtefactError> {
    let link = folder.join(BEST_LINK);
    let fresh = folder.join(format!("{BEST_LINK}{PARTIAL_SUFFIX}"));
    artefacts::remove(&fresh)?;
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(checkpoint, &fresh);
    // On some systems links need special rights; a file with the name serves the same purpose.
    #[cfg(not(unix))]
    let made = fs::write(&fresh, checkpoint);
    made.map_err(ArtefactError::io("create", &fresh))?;
    fs::rename(&fresh, &link).map_err(ArtefactError::io("rename", &fresh))
}

/// The entries of `folder`; none if it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArtefactError> {
    let paths = fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    match paths {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        paths => paths.map_err(ArtefactError::io("list", folder)),
    }
}

/// Flushes every file of `folder`, and `folder` itself, to disk.
fn sync_files(folder: &Path) -> Result<(), ArtefactError> {
    for path in entries(folder)? {
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(ArtefactError::io("write", &path))?;
    }
    sync_folder(folder);
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), ArtefactError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ArtefactError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(epochs: usize) -> Provenance {
        Provenance {
            stage: "train".into(),
            version: 1,
            parameters: serde_json::json!({ "epochs": epochs }),
            engines: Vec::new(),
            inputs: Default::default(),
        }
    }

    fn state(step: usize) -> TrainerState {
        TrainerState {
            global_step: step,
            tokens: 7,
            ..TrainerState::new(10, run(4))
        }
    }

    fn write_one(folder: &Path, step: usize) {
        write_as(folder, step, Kind::Regular);
    }

    fn write_as(folder: &Path, step: usize, kind: Kind) {
        let parameters = |path: &Path| {
            let written = artefacts::write(&path.join("model.safetensors"), b"");
            written.map(|_| ()).map_err(RunError::from)
        };
        write(folder, &state(step), kind, &AdamW::default(), parameters).unwrap();
    }

    #[test]
    fn the_newest_is_resumed_and_the_best_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for step in [2, 4, 10] {
            write_one(folder, step);
        }
        // Two runs were killed: one while writing a checkpoint, one while moving the link.
        fs::create_dir(folder.join("checkpoint-11.partial")).unwrap();
        fs::write(folder.join("best.partial"), "").unwrap();
        link_best(folder, "checkpoint-4").unwrap();
        fs::write(folder.join("best.partial"), "").unwrap();
        settle(folder, 1, Some("checkpoint-2")).unwrap();

        let mut left: Vec<_> = entries(folder).unwrap();
        left.sort_unstable();
        let expected = ["best", "checkpoint-10", "checkpoint-2"];
        assert_eq!(left, expected.map(|name| folder.join(name)));
        let (_, found) = newest(folder, &run(4)).unwrap().unwrap();
        assert_eq!(found, state(10));
        assert!(folder.join(BEST_LINK).join(STATE_FILE).exists());
    }

    #[test]
    fn a_passing_checkpoint_makes_way_for_the_next_and_takes_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let steps = || {
            let found = list(folder).unwrap().into_iter();
            found.map(|(step, _)| step).collect::<Vec<_>>()
        };
        let write = |step, kind| {
            write_as(folder, step, kind);
            settle(folder, 2, None).unwrap();
        };
        write(2, Kind::Regular);
        write(3, Kind::Passing);
        write(5, Kind::Passing);
        assert_eq!(steps(), [2, 5]);
        write(6, Kind::Regular);
        assert_eq!(steps(), [2, 6]);
        write(8, Kind::Regular);
        assert_eq!(steps(), [6, 8]);
    }

    #[test]
    fn another_runs_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_one(folder.path(), 2);
        let error = newest(folder.path(), &run(3)).unwrap_err().to_string();
        assert!(error.contains("epochs was 4, is 3"), "{error}");
    }

    #[test]
    fn a_damaged_checkpoint_is_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        write_one(folder.path(), 2);
        let file = folder.path().join("checkpoint-2/model.safetensors");
        fs::write(&file, b"x").unwrap();
        let error = newest(folder.path(), &run(4)).unwrap_err();
        assert!(
            matches!(&error, RunError::Damaged(path) if *path == file),
            "{error}"
        );
    }

    #[test]
    fn a_failed_write_leaves_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let full = |path: &Path| {
            let error = ArtefactError::io("write", path)(io::ErrorKind::StorageFull.into());
            Err(RunError::from(error))
        };
        let (state, optimizer) = (state(3), AdamW::default());
        write(folder.path(), &state, Kind::Regular, &optimizer, full).unwrap_err();
        assert!(list(folder.path()).unwrap().is_empty());
    }
}
