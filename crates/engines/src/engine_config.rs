//! The config of an engine, one trait per seam: its checks before a run, and how it is opened.
//!
//! Each engine's file implements the trait of its seam. The engines of a seam are listed in
//! [`crate::answerer`], [`crate::translator`], [`crate::identifier`] and [`crate::estimator`].

use std::sync::Arc;

use corpus::language::Language;
use corpus::seam::{Answerer, EngineError, QualityEstimator, TextScorer, Translator};
use models::ComputeDevice;

use crate::choice::KeyError;
use crate::native_label::NativeLabels;
use crate::opening::Opening;
use crate::translation_cache::Cache;

/// An LLM that answers.
#[derive(Clone)]
pub struct Llm {
    /// What answers.
    pub answerer: Arc<dyn Answerer>,
    /// What says how probable texts are: the same LLM, if it is on this machine.
    pub scorer: Option<Arc<dyn TextScorer>>,
}

/// The config of an [`Answerer`].
pub trait AnswererConfig {
    /// Checks the keys, without opening files.
    fn check(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// Checks that the files exist.
    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError>;

    /// System message, instead of the chat template's own.
    fn system(&self) -> Option<&str>;

    /// Number of questions between two commits of the answer stage, whose answers a kill may lose.
    fn questions_at_once(&self) -> usize;

    /// Maximum number of tokens of an answer.
    fn max_new_tokens(&self) -> usize;

    /// Whether the LLM also says how probable texts are.
    fn scores_texts(&self) -> bool;

    /// The engine, with answers of at most `max_new_tokens` tokens.
    fn open(&self, opening: &Opening<'_>, max_new_tokens: usize) -> Result<Llm, EngineError>;
}

/// The translators of a run.
#[derive(Clone)]
pub struct Translators {
    /// From the source into every target language.
    pub there: Arc<dyn Translator>,
    /// From the target languages into the source language, if the engine has models for that.
    pub back: Option<Arc<dyn Translator>>,
}

impl Translators {
    /// A single translator for all directions.
    pub(crate) fn both(translator: Arc<dyn Translator>) -> Self {
        Self {
            back: Some(Arc::clone(&translator)),
            there: translator,
        }
    }
}

/// The config of a [`Translator`].
pub trait TranslatorConfig {
    /// Checks the keys, without opening files.
    fn check(&self, opening: &Opening<'_>) -> Result<(), KeyError>;

    /// Checks that the files exist.
    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError> {
        let _ = opening;
        Ok(())
    }

    /// Whether it translates from `target` back into the source language.
    fn translates_back(&self, target: Language) -> bool {
        let _ = target;
        true
    }

    /// Whether it translates thousands of single words quickly enough to induce a dictionary.
    fn is_cheap_on_words(&self) -> bool {
        false
    }

    /// The translators, each with `cache` before it.
    fn open(&self, opening: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError>;
}

/// The config of a language identifier.
pub trait IdentifierConfig {
    /// Checks the keys, without opening files.
    fn check(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// Checks that the files exist.
    fn check_files(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// The engine.
    fn open(&self) -> Result<Box<dyn NativeLabels>, EngineError>;
}

/// The config of a [`QualityEstimator`].
pub trait EstimatorConfig {
    /// Checks the keys, without opening files.
    fn check(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// Checks that the files exist.
    fn check_files(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whether it translates back into the source language.
    fn translates_back(&self) -> bool {
        false
    }

    /// The engine, if there is one; `translators` opens those of the run.
    fn open(
        &self,
        device: ComputeDevice,
        translators: &dyn Fn() -> Result<Translators, EngineError>,
    ) -> Result<Option<Box<dyn QualityEstimator>>, EngineError>;
}
