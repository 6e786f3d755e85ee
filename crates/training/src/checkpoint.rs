//! Checkpoints: complete or not there at all, and only resumed by the run that wrote them.
//!
//! `checkpoint-N/` holds `trainer_state.json`, `optimizer.safetensors` and the trained model.
//! It is written under a name no reader looks for, flushed to disk and renamed, so a kill at any
//! moment costs at most the steps since the checkpoint before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::early_stopping::EarlyStopping;
use crate::fingerprint::Fingerprint;
use crate::metrics::SubsetLosses;
use crate::optimizer::AdamW;
use crate::parameters::{ParameterFileError, read_tensors, write_tensors};

const PREFIX: &str = "checkpoint-";
const PARTIAL_SUFFIX: &str = ".partial";
const STATE_FILE: &str = "trainer_state.json";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Link to the checkpoint with the lowest held-out loss.
pub const BEST_LINK: &str = "best";

/// Where a run is. Key names follow Hugging Face's `trainer_state.json` where it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// Optimiser steps done.
    pub global_step: usize,
    /// Optimiser steps of the whole schedule.
    pub max_steps: usize,
    /// Passes over the training set done, as a fraction.
    pub epoch: f64,
    /// Lowest held-out loss so far.
    pub best_metric: Option<f64>,
    /// Name of the checkpoint that has it.
    pub best_model_checkpoint: Option<String>,
    /// State of early stopping.
    pub early_stopping: EarlyStopping,
    /// Held-out losses before the first step.
    pub before: Option<HeldOutLoss>,
    /// Held-out losses at `best_model_checkpoint`.
    pub best: Option<HeldOutLoss>,
    /// Tokens that went through the model in training.
    pub tokens: u64,
    /// Seconds of training, over all resumed parts.
    pub seconds: f64,
    /// What the run was started with.
    pub fingerprint: Fingerprint,
}

impl TrainerState {
    /// The state before the first step.
    pub fn new(max_steps: usize, fingerprint: Fingerprint) -> Self {
        Self {
            global_step: 0,
            max_steps,
            epoch: 0.0,
            best_metric: None,
            best_model_checkpoint: None,
            early_stopping: EarlyStopping::default(),
            before: None,
            best: None,
            tokens: 0,
            seconds: 0.0,
            fingerprint,
        }
    }
}

/// The loss on the held-out examples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeldOutLoss {
    /// Weighted over all.
    pub loss: f64,
    /// Unweighted, of each subset.
    pub losses: SubsetLosses,
}

/// Why a checkpoint could not be written, found or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: String,
        /// What it said.
        source: io::Error,
    },
    /// The checkpoint belongs to another run.
    #[error(
        "{folder} was trained with other settings or data, so it cannot be resumed: {differences}. \
         Undo the change, choose another run name, or delete {folder}"
    )]
    OtherRun {
        /// The training folder.
        folder: String,
        /// What differs.
        differences: String,
    },
    /// `trainer_state.json` is not what it should be.
    #[error("{path}: {source}; delete this checkpoint to resume from the one before")]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file of tensors could not be written or read.
    #[error(transparent)]
    Parameters(#[from] ParameterFileError),
}

/// Name of the checkpoint after `step` optimiser steps.
pub fn name(step: usize) -> String {
    format!("{PREFIX}{step}")
}

/// The complete checkpoints in `folder`, by step.
pub fn list(folder: &Path) -> Result<Vec<(usize, PathBuf)>, CheckpointError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error(folder))?;
        let step = entry
            .file_name()
            .to_str()
            .and_then(|n| n.strip_prefix(PREFIX)?.parse().ok());
        if let Some(step) = step {
            found.push((step, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The state of the newest checkpoint in `folder`, and where it is; `None` if there is none.
///
/// Fails if it belongs to another run than `now`.
pub fn newest(
    folder: &Path,
    now: &Fingerprint,
) -> Result<Option<(PathBuf, TrainerState)>, CheckpointError> {
    let Some((_, path)) = list(folder)?.pop() else {
        return Ok(None);
    };
    let state = read_state(&path)?;
    let differences = state.fingerprint.differences(now);
    if !differences.is_empty() {
        return Err(CheckpointError::OtherRun {
            folder: folder.display().to_string(),
            differences: differences.join("; "),
        });
    }
    Ok(Some((path, state)))
}

/// The optimiser's state in `checkpoint`.
pub fn read_optimizer(checkpoint: &Path, device: &Device) -> Result<AdamW, CheckpointError> {
    Ok(AdamW::from_tensors(read_tensors(
        &checkpoint.join(OPTIMIZER_FILE),
        device,
    )?))
}

/// Writes the checkpoint of `state` into `folder`; `write_model` adds the trained parameters to
/// the folder it is given.
pub fn write<E: From<CheckpointError>>(
    folder: &Path,
    state: &TrainerState,
    optimizer: &AdamW,
    write_model: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let path = folder.join(name(state.global_step));
    let partial = folder.join(name(state.global_step) + PARTIAL_SUFFIX);
    remove_folder(&partial)?;
    remove_folder(&path)?;
    fs::create_dir_all(&partial).map_err(io_error(&partial))?;
    write_model(&partial)?;
    write_tensors(&partial.join(OPTIMIZER_FILE), &optimizer.tensors())
        .map_err(CheckpointError::from)?;
    write_state(&partial, state)?;
    sync_files(&partial)?;
    fs::rename(&partial, &path).map_err(io_error(&path))?;
    sync(folder)?;
    Ok(path)
}

/// Points the `best` link at `checkpoint`, in one step.
pub fn link_best(folder: &Path, checkpoint: &str) -> Result<(), CheckpointError> {
    let link = folder.join(BEST_LINK);
    let fresh = folder.join(format!("{BEST_LINK}{PARTIAL_SUFFIX}"));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(&fresh)(error));
        }
        _ => {}
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(checkpoint, &fresh).map_err(io_error(&fresh))?;
    // Links need rights on other systems; a file with the name does.
    #[cfg(not(unix))]
    fs::write(&fresh, checkpoint).map_err(io_error(&fresh))?;
    fs::rename(&fresh, &link).map_err(io_error(&link))
}

/// Deletes all checkpoints but the `keep` newest and `best`, and what killed runs left half done.
pub fn prune(folder: &Path, keep: usize, best: Option<&str>) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        let file_name = entry.file_name();
        let name = file_name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(PARTIAL_SUFFIX) {
            remove_folder(&entry.path())?;
        }
    }
    let checkpoints = list(folder)?;
    let old = checkpoints.len().saturating_sub(keep);
    for (step, path) in &checkpoints[..old] {
        if best != Some(name(*step).as_str()) {
            remove_folder(path)?;
        }
    }
    Ok(())
}

fn read_state(checkpoint: &Path) -> Result<TrainerState, CheckpointError> {
    let path = checkpoint.join(STATE_FILE);
    let text = fs::read_to_string(&path).map_err(io_error(&path))?;
    serde_json::from_str(&text).map_err(|source| CheckpointError::State {
        path: path.display().to_string(),
        source,
    })
}

fn write_state(checkpoint: &Path, state: &TrainerState) -> Result<(), CheckpointError> {
    let path = checkpoint.join(STATE_FILE);
    let text = serde_json::to_string_pretty(state).map_err(|source| CheckpointError::State {
        path: path.display().to_string(),
        source,
    })?;
    fs::write(&path, text + "\n").map_err(io_error(&path))
}

/// Flushes every file of `folder`, and `folder` itself, to disk.
fn sync_files(folder: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        sync(&entry.map_err(io_error(folder))?.path())?;
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), CheckpointError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error(path))
}

fn remove_folder(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    fn state(step: usize, epochs: usize) -> TrainerState {
        let config = TrainConfig {
            epochs,
            ..Default::default()
        };
        let fingerprint = Fingerprint::new(&config, "model", &[], &[]);
        TrainerState {
            global_step: step,
            tokens: 7,
            ..TrainerState::new(10, fingerprint)
        }
    }

    fn write_one(folder: &Path, step: usize) {
        let model =
            |path: &Path| fs::write(path.join("model.safetensors"), b"").map_err(io_error(path));
        write(folder, &state(step, 4), &AdamW::default(), model).unwrap();
    }

    #[test]
    fn the_newest_is_resumed_and_the_best_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for step in [2, 4, 10] {
            write_one(folder, step);
        }
        fs::create_dir(folder.join("checkpoint-11.partial")).unwrap();
        link_best(folder, "checkpoint-4").unwrap();
        link_best(folder, "checkpoint-2").unwrap();
        prune(folder, 1, Some("checkpoint-2")).unwrap();

        let steps: Vec<usize> = list(folder)
            .unwrap()
            .into_iter()
            .map(|(step, _)| step)
            .collect();
        assert_eq!(steps, [2, 10]);
        assert!(!folder.join("checkpoint-11.partial").exists());
        let (_, found) = newest(folder, &state(0, 4).fingerprint).unwrap().unwrap();
        assert_eq!(found, state(10, 4));
        assert!(folder.join(BEST_LINK).join(STATE_FILE).exists());
    }

    #[test]
    fn another_runs_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_one(folder.path(), 2);
        let error = newest(folder.path(), &state(0, 3).fingerprint)
            .unwrap_err()
            .to_string();
        assert!(error.contains("epochs was 4, is 3"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let full = |path: &Path| Err(io_error(path)(io::ErrorKind::StorageFull.into()));
        write(folder.path(), &state(3, 4), &AdamW::default(), full).unwrap_err();
        assert!(list(folder.path()).unwrap().is_empty());
    }
}
