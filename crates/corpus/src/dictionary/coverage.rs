//! Share of a text's words that a dictionary can translate.

use std::borrow::Cow;
use std::fmt;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{BilingualDictionary, Dictionary};
use crate::language::Language;
use crate::text::words::WordFinder;

/// Counts of words that a dictionary can translate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Number of words in the texts.
    pub words: usize,
    /// Number of words with a translation.
    pub known_words: usize,
    /// Number of different words.
    pub distinct: usize,
    /// Number of different words with a translation.
    pub known_distinct: usize,
}

impl Coverage {
    /// Coverage of `texts` in `language` by `dictionary`.
    pub fn of(dictionary: &Dictionary, texts: &[&str], language: Language) -> Coverage {
        let mut tally = Tally::default();
        tally.add(dictionary, texts, &WordFinder::new(language));
        tally.coverage()
    }

    /// Share of the words that have a translation, in [0, 1].
    pub fn share(&self) -> f64 {
        self.known_words as f64 / self.words.max(1) as f64
    }

    /// Whether there are enough words to tell that the dictionary has hardly any of them.
    pub fn is_hardly_any(&self) -> bool {
        self.words >= ENOUGH_WORDS && self.share() < HARDLY_ANY
    }
}

/// Words of target-language texts that a dictionary of the language would be expected to have, from
/// which it says something that they are missing.
const ENOUGH_EXPECTED: f64 = 20.0;

/// The dictionary's share of the words of texts in the target language, in relation to that of texts
/// in the source language. `None` if the texts are too short, or the dictionary too small, to tell.
///
/// A small dictionary has few words of either language, so its sides are compared. Of MUSE, Wiktionary
/// and texts in eight languages, the right dictionaries reach 0.55 and more; those of other languages,
/// which share short words and names, at most 0.20.
pub fn balance(source: &Coverage, target: &Coverage) -> Option<f64> {
    let expected = source.share() * target.words as f64;
    let tells = source.words >= ENOUGH_WORDS && expected >= ENOUGH_EXPECTED;
    tells.then(|| target.share() / source.share())
}

/// The balance below which a dictionary is hardly one of the target language. A list of the basic
/// forms of a language with many others stays above it.
pub const UNBALANCED: f64 = 0.15;

/// Number of words from which a coverage says something about a dictionary.
const ENOUGH_WORDS: usize = 50;
/// Share of the words of the texts below which a dictionary is hardly one for them.
const HARDLY_ANY: f64 = 0.002;

/// Whether a dictionary fits texts in the source language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// It translates words of the texts.
    Good,
    /// It reads the other way round: its translations, not its headwords, are words of the texts.
    Reversed {
        /// Share of the words that are headwords.
        headwords: f64,
        /// Share of the words that are translations.
        translations: f64,
    },
    /// It has hardly any word of the texts, in either direction.
    Foreign {
        /// Share of the words that are headwords.
        headwords: f64,
    },
}

impl Fit {
    /// The fit of `dictionary` to `texts` in its source `language`. Languages share short words, so
    /// directions are compared.
    pub fn of(dictionary: &BilingualDictionary, texts: &[&str], language: Language) -> Fit {
        let into = Coverage::of(&dictionary.source_to_target, texts, language);
        let back = Coverage::of(&dictionary.target_to_source, texts, language);
        let (headwords, translations) = (into.share(), back.share());
        if into.words < ENOUGH_WORDS {
            return Fit::Good;
        }
        if translations > 2.0 * headwords && translations > 10.0 * HARDLY_ANY {
            return Fit::Reversed {
                headwords,
                translations,
            };
        }
        match into.is_hardly_any() {
            true => Fit::Foreign { headwords },
            false => Fit::Good,
        }
    }
}

/// Counts words, one text after another.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    words: usize,
    known_words: usize,
    /// Different words, and whether each has a translation.
    seen: FxHashMap<String, bool>,
}

impl Tally {
    /// Counts the words of `texts`, on all cores.
    pub fn add(&mut self, dictionary: &Dictionary, texts: &[&str], finder: &WordFinder) {
        let count = |mut tally: Tally, text: &&str| {
            for word in finder.words(text) {
                let word = lowercase(&text[word]);
                let known = match tally.seen.get(&*word) {
                    Some(&known) => known,
                    None => {
                        let known = !dictionary.translations(&word).is_empty();
                        tally.seen.insert(word.into_owned(), known);
                        known
                    }
                };
                tally.words += 1;
                tally.known_words += usize::from(known);
            }
            tally
        };
        let counted = texts
            .par_iter()
            .with_min_len(64)
            .fold(Tally::default, count)
            .reduce(Tally::default, Tally::joined);
        *self = std::mem::take(self).joined(counted);
    }

    /// The counts so far.
    pub fn coverage(&self) -> Coverage {
        Coverage {
            words: self.words,
            known_words: self.known_words,
            distinct: self.seen.len(),
            known_distinct: self.seen.values().filter(|known| **known).count(),
        }
    }

    fn joined(self, other: Tally) -> Tally {
        let (mut large, small) = match self.seen.len() >= other.seen.len() {
            true => (self, other),
            false => (other, self),
        };
        large.words += small.words;
        large.known_words += small.known_words;
        large.seen.extend(small.seen);
        large
    }
}

/// Most words are already in lower case.
fn lowercase(word: &str) -> Cow<'_, str> {
    match word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(word.to_lowercase()),
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        write!(
            f,
            "{:.1} % of {} words, {:.1} % of {} different ones",
            percent(self.known_words, self.words),
            self.words,
            percent(self.known_distinct, self.distinct),
            self.distinct,
        )
    }
}
