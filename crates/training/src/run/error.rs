//! Errors of the loop.

use std::path::{Path, PathBuf};

use artefacts::ArtefactError;

use crate::optimizer::ParameterFileError;

/// Error returned when a run cannot start or continue, or its results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file could not be read or written, or another process is training in the folder.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The checkpoint belongs to another run.
    #[error(
        "{} was trained with other settings or data: {differences}. Undo the change, set another \
         `output`, or delete {} to train again", folders[0].display(), listed(folders)
    )]
    OtherRun {
        /// The training folder, and others that are in the way; not empty.
        folders: Vec<PathBuf>,
        /// The differences.
        differences: String,
    },
    /// `trainer_state.json` is that of another version of the program.
    #[error(
        "{}: {source}: another version of xldistill made this training and it cannot be resumed; \
         finish it with that version, or delete {} to train again", path.display(),
        path.ancestors().nth(2).unwrap_or(path).display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The difference.
        source: serde_json::Error,
    },
    /// `trainer_state.json` is damaged.
    #[error(
        "{}: {source}; delete this checkpoint to resume from the one before", path.display()
    )]
    State {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: serde_json::Error,
    },
    /// A file of a checkpoint has changed since it was written.
    #[error(
        "{} is damaged; delete its checkpoint to resume from the one before", .0.display()
    )]
    Damaged(PathBuf),
    /// A file of tensors could not be written or read.
    #[error(transparent)]
    Parameters(#[from] ParameterFileError),
    /// The loss or its gradient is not finite.
    #[error(
        "training diverged at step {step}: loss {loss}, gradient norm {grad_norm}; lower \
         {key} (it was {learning_rate:.2e}) and run again to resume from the last \
         checkpoint"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// Its gradient's norm.
        grad_norm: f64,
        /// Its learning rate.
        learning_rate: f64,
        /// The key of the config that the learning rate comes from.
        key: String,
    },
    /// The user ended the run.
    #[error(
        "interrupted: a checkpoint was written after step {step} of {max_steps}; run the same \
         command again to resume"
    )]
    Interrupted {
        /// Number of optimiser steps done.
        step: usize,
        /// Number of optimiser steps of the whole run.
        max_steps: usize,
    },
    /// The loss of the untrained network is not finite.
    #[error(
        "the loss of the very first step is {loss} and its gradient's norm {grad_norm}, before \
         anything was learnt: the model's weights are damaged"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
        /// The gradient's norm.
        grad_norm: f64,
    },
}

fn listed(folders: &[PathBuf]) -> String {
    let folders = folders.iter().map(|folder| folder.display().to_string());
    let folders: Vec<String> = folders.collect();
    match &folders[..] {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        folders => folders.concat(),
    }
}

impl RunError {
    pub(super) fn state(path: &Path) -> impl FnOnce(serde_json::Error) -> RunError + '_ {
        |source| {
            let path = path.to_owned();
            match source.is_data() {
                true => RunError::OtherVersion { path, source },
                false => RunError::State { path, source },
            }
        }
    }
}
