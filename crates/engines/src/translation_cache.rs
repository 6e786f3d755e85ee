//! Translations that outlive a run: no sentence is translated twice by the same model with the same
//! settings in the same direction.
//!
//! The store is an SQLite file with a write-ahead log. Any number of processes can read and write
//! it at once; a killed process leaves complete transactions only. One table lists the translators,
//! so that translations can be inspected or deleted by translator; the other maps hashes of
//! sentences to translations.

mod store;

use std::path::Path;
use std::sync::Arc;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use rustc_hash::FxHashMap;

pub use store::TranslationCache;

use store::Key;

/// Number of sentences translated and stored at a time, which a kill or a failing server may lose.
const PORTION: usize = 256;

/// A translator with a cache.
///
/// Its identity is that of the translator, because the cache changes no row. Empty translations are
/// failures and are not cached.
pub struct CachedTranslator<T> {
    translator: T,
    cache: Arc<TranslationCache>,
}

impl<T: Translator> CachedTranslator<T> {
    /// `translator`, with its translations cached in `cache`.
    pub fn new(translator: T, cache: Arc<TranslationCache>) -> Self {
        Self { translator, cache }
    }

    /// The translator without the cache.
    pub fn into_inner(self) -> T {
        self.translator
    }

    /// Looks up translations in the cache and gets the others from `ask`; `None` if `ask` returns
    /// that.
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
                    key.engine.engine.clone(),
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
        let key = Key::new(self.identity().key(), from, to);
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
        let mut engine = self.identity().key();
        let further = format!(" no_repeat_ngram_size={no_repeat_ngram_size}");
        engine.parameters.push_str(&further);
        let ask = |texts: &[String]| {
            self.translator
                .translate_again(texts, from, to, no_repeat_ngram_size)
        };
        self.remembered(&Key::new(engine, from, to), sentences, ask)
    }

    fn unknown_characters(
        &self,
        characters: &[char],
        from: Language,
        to: Language,
    ) -> Result<Vec<char>, EngineError> {
        self.translator.unknown_characters(characters, from, to)
    }
}

/// The translation cache, if there is one.
pub struct Cache(Option<Arc<TranslationCache>>);

impl Cache {
    /// The cache in the file at `path`.
    pub fn open(path: Option<&Path>) -> Result<Self, EngineError> {
        Ok(Self(path.map(TranslationCache::open).transpose()?))
    }

    /// `translator`, behind the cache.
    pub(crate) fn before<T: Translator + 'static>(&self, translator: T) -> Arc<dyn Translator> {
        match &self.0 {
            Some(cache) => Arc::new(CachedTranslator::new(translator, Arc::clone(cache))),
            None => Arc::new(translator),
        }
    }
}
