//! What can stop a stage.

use std::io;
use std::path::{Path, PathBuf};

use crate::seam::EngineError;

/// Why a stage stopped. Rows that were done before are in its journal and are not done again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// An engine could not do its work.
    #[error(transparent)]
    Engine(#[from] EngineError),

    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), space_hint(source))]
    Io {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// A second run in the same folder.
    #[error(
        "another run is using {}; wait for it to end, or give this run its own name", folder.display()
    )]
    Locked {
        /// The stage's folder.
        folder: PathBuf,
    },

    /// The stage before this one has not finished.
    #[error("{} is not finished ({missing} is missing): run that stage first", folder.display())]
    Unfinished {
        /// The folder of the earlier stage.
        folder: PathBuf,
        /// The file that a finished stage has.
        missing: String,
    },

    /// A line of a stage's file is not the row that was expected.
    #[error("{}:{line}: {message}; delete the folder to have it made again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },

    /// More rows were rejected than the run tolerates.
    #[error(
        "{stage}: {rejected} of {rows} rows were rejected ({reasons}), more than the {percent:.0} % \
         that max_rejected_fraction allows; see {}", file.display()
    )]
    TooManyRejected {
        /// The stage.
        stage: String,
        /// Rows with at least one rejection.
        rejected: u64,
        /// Rows processed so far.
        rows: u64,
        /// The most frequent reasons with their counts.
        reasons: String,
        /// The limit, in percent.
        percent: f64,
        /// Where the rejected rows can be read.
        file: PathBuf,
    },

    /// A stage returned a different number of outcomes than it was given rows.
    #[error("{stage}: {outcomes} outcomes for {rows} rows; this is a defect of the stage")]
    OutcomeCount {
        /// The stage.
        stage: &'static str,
        /// Rows given.
        rows: usize,
        /// Outcomes returned.
        outcomes: usize,
    },

    /// There is nothing to work on.
    #[error("{stage}: no rows to work on: {why}")]
    Empty {
        /// The stage.
        stage: &'static str,
        /// Where the rows were expected.
        why: String,
    },

    /// The stage was given options that make no sense together.
    #[error("{0}")]
    Options(String),
}

impl StageError {
    /// Wraps the system's error with what was tried on which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StageError {
        move |source| StageError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn space_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; free some space and start the same command again, it goes on where it was"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_to_be_one() {
        let path = Path::new("/dev/full");
        let mut full = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let error = io::Write::write_all(&mut full, b"row").map_err(StageError::io("write", path));
        let message = error.unwrap_err().to_string();
        assert!(
            message.starts_with("cannot write /dev/full: No space left"),
            "{message}"
        );
        assert!(message.contains("free some space"), "{message}");
    }
}
