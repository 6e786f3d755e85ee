//! Errors of an evaluation.

use artefacts::ArtefactError;
use corpus::seam::EngineError;

use crate::metric::tokenizer::TokenizerError;

/// Error returned when an evaluation fails.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The model could not answer or score.
    #[error("{task}: {source}")]
    Engine {
        /// The task.
        task: String,
        /// The engine's error.
        source: EngineError,
    },
    /// Saved outputs cannot be scored again.
    #[error("{task}: {why}, so they cannot be scored again: evaluate without --rescore")]
    NotSaved {
        /// The task.
        task: String,
        /// What is wrong with them.
        why: String,
    },
    /// A benchmark needs log-likelihoods, and the engine has none.
    #[error(
        "{task}: {engine} returns no log-probabilities; set scoring = \"generation\" in \
         [[evaluate.benchmarks]] if the benchmark offers it, or evaluate a local model"
    )]
    CannotScore {
        /// The task.
        task: String,
        /// The engine.
        engine: String,
    },
    /// Two tasks have the same name.
    #[error("{task} is evaluated twice; remove one of its entries from [[evaluate.benchmarks]]")]
    Repeated {
        /// The task.
        task: String,
    },
    /// BLEU's tokenizer cannot be loaded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// There is no material.
    #[error("no held-out material: name questions, pairs, texts or benchmarks under [evaluate]")]
    NoMaterial,
    /// A file could not be written, or another evaluation is using the folder.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}
