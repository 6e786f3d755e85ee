//! Errors of an evaluation of classifiers.

use artefacts::ArtefactError;
use corpus::seam::EngineError;

/// Error returned when classifiers cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum ClassificationError {
    /// A model could not classify or translate.
    #[error("{system} on {set}: {source}")]
    Engine {
        /// The system.
        system: &'static str,
        /// Task, test set and language.
        set: String,
        /// The engine's error.
        source: EngineError,
    },
    /// No system can take a test set.
    #[error(
        "{set}: no model has a task called {task:?}; there are {known}; name one of them for the \
         test set"
    )]
    NoTask {
        /// Task, test set and language.
        set: String,
        /// The task of the test set.
        task: String,
        /// The tasks of the models.
        known: String,
    },
    /// The labels of a test set are not those of the task.
    #[error(
        "{set}: its labels ({found}) have none in common with those of the task ({known}); rename \
         the labels of one of them"
    )]
    ForeignLabels {
        /// Task, test set and language.
        set: String,
        /// The labels of the rows.
        found: String,
        /// The labels of the task.
        known: String,
    },
    /// Two systems have different labels for a task.
    #[error(
        "{task}: {system} has the labels {found}, but {first} has {known}; train both on the same \
         data"
    )]
    DifferentLabels {
        /// The task.
        task: String,
        /// A system.
        system: &'static str,
        /// Its labels.
        found: String,
        /// The system before it.
        first: &'static str,
        /// The labels of that one.
        known: String,
    },
    /// Two systems, or two test sets, would write to the same file.
    #[error("{0} is evaluated twice; remove one of them, or give it another name")]
    Repeated(String),
    /// A system reads translations and has no translator.
    #[error("{0}: name a translation engine, or leave the system out")]
    NoTranslator(&'static str),
    /// There is no test set.
    #[error("no test set: name some under [tasks.NAME.test]")]
    NoTestSet,
    /// Saved predictions are not there.
    #[error("{0}: no predictions; evaluate first")]
    NothingSaved(String),
    /// A file could not be read or written, or another evaluation is using the folder.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}
