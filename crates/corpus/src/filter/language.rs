//! Translations and sources in the wrong language.

use rustc_hash::FxHashSet;

use super::Rule;
use super::pair::Pair;
use crate::language::Language;
use crate::seam::{Identification, LanguageIdentifier};

/// Minimum number of letters of a sentence whose language is judged separately.
const LONG_SENTENCE: usize = 60;

/// The identifier finds a language other than the target in the whole text or, in case a sentence
/// was left untranslated, in a long sentence. If the identifier does not know the target language,
/// only the source language counts against a translation. Abstentions pass: filters of this kind
/// are known to reject short answers (`Paris`, `1969`) for no reason.
pub(super) struct WrongLanguage<'a> {
    pub(super) voice: Voice<'a>,
}

impl Rule for WrongLanguage<'_> {
    fn reason(&self) -> &'static str {
        "wrong_language"
    }

    fn key(&self) -> Option<&'static str> {
        Some("min_language_probability")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let target = pair.translation.language();
        let source = pair.source.language();
        let known = self.voice.identifier.knows(target);
        if let Some((language, probability)) = self.voice.identify(&pair.translation.plain)
            && (language == source || known && language != target)
        {
            return Some(format!("{language} with probability {probability:.2}"));
        }
        let sources: FxHashSet<&str> = pair.source.prose.iter().copied().collect();
        pair.translation.prose.iter().find_map(|sentence| {
            let letters = sentence.chars().filter(|c| c.is_alphabetic()).count();
            let long = letters >= LONG_SENTENCE && sources.contains(sentence);
            let (language, probability) = long.then(|| self.voice.identify(sentence)).flatten()?;
            (language == source)
                .then(|| format!("{language} with probability {probability:.2}: {sentence:?}"))
        })
    }
}

/// The source is not in the source language: a translator turns quotations in a third language into
/// noise.
pub(super) struct WrongSourceLanguage<'a> {
    pub(super) voice: Voice<'a>,
}

impl Rule for WrongSourceLanguage<'_> {
    fn reason(&self) -> &'static str {
        "wrong_source_language"
    }

    fn key(&self) -> Option<&'static str> {
        Some("min_language_probability")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let source = pair.source.language();
        let (language, probability) = self.voice.identify(&pair.source.plain)?;
        (self.voice.identifier.knows(source) && language != source)
            .then(|| format!("{language} with probability {probability:.2}"))
    }
}

/// A language identifier whose result counts only if it is sure.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    pub(super) identifier: &'a dyn LanguageIdentifier,
    /// Probability from which the identifier's result counts.
    pub(super) min_probability: f64,
}

impl Voice<'_> {
    fn identify(&self, text: &str) -> Option<(Language, f64)> {
        match self.identifier.identify(text) {
            Identification::Identified {
                language,
                probability,
            } if probability >= self.min_probability => Some((language, probability)),
            _ => None,
        }
    }
}
