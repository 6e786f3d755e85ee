//! Translations that outlive a run: a sentence that any run has had translated by the same model,
//! in the same way and direction, is not translated again.
//!
//! The store is an SQLite file with a write-ahead log: any number of processes read and write it
//! at once, and of a process that is killed, whole transactions remain and nothing else. One table
//! names the translators, so that what one of them said can be looked at or deleted by hand; the
//! other maps the hash of a sentence to its translation.

mod store;

use std::sync::Arc;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use rustc_hash::FxHashMap;

pub use store::TranslationCache;

use store::Key;

/// Sentences that are asked for and stored at a time: what a kill or a failing server costs.
const PORTION: usize = 256;

/// A translator that asks the cache first.
///
/// Its identity is that of the translator within: that a translation was remembered changes no
/// row. Empty translations are failures and are not remembered.
pub struct CachedTranslator<T> {
    translator: T,
    cache: Arc<TranslationCache>,
}

impl<T: Translator> CachedTranslator<T> {
    /// `translator` with its translations remembered in `cache`.
    pub fn new(translator: T, cache: Arc<TranslationCache>) -> Self {
        Self { translator, cache }
    }

    /// The translator within.
    pub fn into_inner(self) -> T {
        self.translator
    }

    /// Takes from the cache what it has, and has the rest translated by `ask`; `None` where `ask`
    /// cannot.
    fn remembered(
        &self,
        key: &Key,
        sentences: &[String],
        ask: impl Fn(&[String]) -> Result<Option<Vec<String>>, EngineError>,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
        let mut distinct: Vec<&str> = Vec::new();
        let places: Vec<usize> = sentences
            .iter()
            .map(|sentence| {
                *numbers.entry(sentence).or_insert_with(|| {
                    distinct.push(sentence);
                    distinct.len() - 1
                })
            })
            .collect();
        let mut translations = self.cache.look_up(key, &distinct).unwrap_or_else(|error| {
            self.cache.report(&error);
            vec![None; distinct.len()]
        });
        let missing: Vec<usize> = (0..distinct.len())
            .filter(|&number| translations[number].is_none())
            .collect();
        for portion in missing.chunks(PORTION) {
            let texts: Vec<String> = portion.iter().map(|&n| distinct[n].to_owned()).collect();
            let Some(answers) = ask(&texts)? else {
                return Ok(None);
            };
            if answers.len() != texts.len() {
                let (asked, got) = (texts.len(), answers.len());
                return Err(EngineError::new(
                    key.identity.engine.clone(),
                    format!("returned {got} translations for {asked} sentences"),
                ));
            }
            let full = texts
                .iter()
                .zip(&answers)
                .filter(|(_, t)| !t.trim().is_empty());
            let full = full.map(|(text, translation)| (text.as_str(), translation.as_str()));
            if let Err(error) = self.cache.store(key, full) {
                self.cache.report(&error);
            }
            for (&number, answer) in portion.iter().zip(answers) {
                translations[number] = Some(answer);
            }
        }
        let all = places
            .into_iter()
            .map(|number| translations[number].clone().unwrap_or_default());
        Ok(Some(all.collect()))
    }
}

impl<T: Translator> Translator for CachedTranslator<T> {
    fn identity(&self) -> EngineIdentity {
        self.translator.identity()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let key = Key::new(self.identity(), from, to);
        let ask = |texts: &[String]| self.translator.translate(texts, from, to).map(Some);
        Ok(self.remembered(&key, sentences, ask)?.unwrap_or_default())
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let mut identity = self.identity();
        let further = format!(" no_repeat_ngram_size={no_repeat_ngram_size}");
        identity.parameters.push_str(&further);
        let ask = |texts: &[String]| {
            self.translator
                .translate_again(texts, from, to, no_repeat_ngram_size)
        };
        self.remembered(&Key::new(identity, from, to), sentences, ask)
    }
}
