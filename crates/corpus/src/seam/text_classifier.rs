//! Classification of texts: NLI, sentiment, multiple choice.

use super::{EngineError, EngineIdentity};
use crate::labelled::LabelledInput;
use crate::language::Language;

/// A model that classifies texts, with a head for each of its tasks.
pub trait TextClassifier: Send + Sync {
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// Names of its tasks, in order.
    fn tasks(&self) -> Vec<String>;
    /// The labels of `task`, in the order of the probabilities; empty for multiple choice, where
    /// each question has choices of its own. `None` if the model has no such task.
    fn labels(&self, task: &str) -> Option<Vec<String>>;
    /// Probabilities of the labels of `task`, or of an input's choices, for every input in order;
    /// each input's sum to 1. A question whose choices the model cannot read has none. `language` is
    /// that of the inputs, which some encoders must be told.
    ///
    /// # Errors
    /// If the model has no such task, needs a language or does not know this one, or if an input is of another
    /// kind than the task's (choices for a task with labels); then nothing was classified.
    fn classify(
        &self,
        task: &str,
        inputs: &[LabelledInput],
        language: Option<Language>,
    ) -> Result<Vec<Vec<f32>>, EngineError>;
}

impl<T: TextClassifier + ?Sized> TextClassifier for Box<T> {
    fn identity(&self) -> EngineIdentity {
        (**self).identity()
    }

    fn tasks(&self) -> Vec<String> {
        (**self).tasks()
    }

    fn labels(&self, task: &str) -> Option<Vec<String>> {
        (**self).labels(task)
    }

    fn classify(
        &self,
        task: &str,
        inputs: &[LabelledInput],
        language: Option<Language>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        (**self).classify(task, inputs, language)
    }
}
