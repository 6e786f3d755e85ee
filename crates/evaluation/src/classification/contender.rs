//! A system with its models.

use std::sync::Arc;

use corpus::language::Language;
use corpus::seam::{EngineIdentity, TextClassifier, Translator};

use super::System;
use super::test_set::TaskTest;

/// A [`System`] with the models that make it up. Several contenders may be the same system, each
/// for tasks of its own.
pub struct Contender<'a> {
    /// The system.
    pub system: &'static System,
    /// Classifies the texts. If it is loaded on first use, only one contender's weights are in
    /// memory at a time.
    pub classifier: Box<dyn TextClassifier + 'a>,
    /// Translates the test sets, if the system reads translations.
    pub translator: Option<Arc<dyn Translator + 'a>>,
    /// The languages it is evaluated in, e.g. those that the translator has; `None` for all.
    pub languages: Option<Vec<Language>>,
}

impl<'a> Contender<'a> {
    /// A contender that reads texts as they are, in all languages.
    pub fn new(system: &'static System, classifier: impl TextClassifier + 'a) -> Self {
        Self {
            system,
            classifier: Box::new(classifier),
            translator: None,
            languages: None,
        }
    }

    /// With translations by `translator`, from `languages`.
    pub fn translating(
        self,
        translator: Arc<dyn Translator + 'a>,
        languages: Option<Vec<Language>>,
    ) -> Self {
        Self {
            translator: Some(translator),
            languages,
            ..self
        }
    }

    /// Whether it is evaluated on `set`. Nothing is translated in the language of training, where
    /// the system would be the same as without translation.
    pub(super) fn takes(&self, set: &TaskTest) -> bool {
        let told = set.language.told;
        let listed = |languages: &Vec<Language>| told.is_some_and(|told| languages.contains(&told));
        let is_translated = || told.is_some() && !set.language.is(set.source);
        self.languages.as_ref().is_none_or(listed)
            && (!self.system.translates || is_translated())
            && self.classifier.labels(&set.task).is_some()
    }

    pub(super) fn engines(&self) -> Vec<EngineIdentity> {
        let translator = self.translator.as_ref().map(|engine| engine.identity());
        [self.classifier.identity()]
            .into_iter()
            .chain(translator)
            .collect()
    }
}
