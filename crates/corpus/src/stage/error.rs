//! Errors of stages.

use std::path::PathBuf;

use artefacts::ArtefactError;

use crate::ranges::ConfigError;
use crate::seam::EngineError;

/// Error returned when a stage stops. Rows that are done are in its journal and are not done again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// An engine could not do its work.
    #[error(transparent)]
    Engine(#[from] EngineError),

    /// A file could not be read or written, or another run is using the folder.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),

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
        /// The fault.
        message: String,
    },

    /// More rows were rejected than the run tolerates.
    #[error(
        "{stage}: {rejected} of {rows} rows were rejected ({reasons}), more than the {percent:.0} % \
         a run tolerates; {}see {}",
        key.as_ref().map_or(String::new(), |key| format!("most by the threshold {key}; ")),
        file.display()
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
        /// The config key of the threshold that rejected most; `None` if it was no threshold.
        key: Option<String>,
        /// The limit, in percent.
        percent: f64,
        /// The file with the rejected rows.
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
        /// The reason.
        why: String,
    },

    /// A value of the config is out of range.
    #[error(transparent)]
    Range(#[from] ConfigError),

    /// The stage was given options that make no sense together.
    #[error("{0}")]
    Options(String),
}
