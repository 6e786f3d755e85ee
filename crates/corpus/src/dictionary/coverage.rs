//! How much of a text a dictionary knows.

use std::fmt;

use rustc_hash::FxHashSet;

use super::Dictionary;
use crate::language::Language;
use crate::text::words::WordFinder;

/// Words of some texts that a dictionary can translate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Words of the texts.
    pub words: usize,
    /// Those that have a translation.
    pub known_words: usize,
    /// Different words.
    pub distinct: usize,
    /// Those that have a translation.
    pub known_distinct: usize,
}

impl Coverage {
    /// Coverage of `texts` in `language` by `dictionary`.
    pub fn of<'t>(
        dictionary: &Dictionary,
        texts: impl IntoIterator<Item = &'t str>,
        language: Language,
    ) -> Coverage {
        let finder = WordFinder::new(language);
        let mut coverage = Coverage::default();
        let mut seen = FxHashSet::default();
        for text in texts {
            for word in finder.words(text) {
                let word = text[word].to_lowercase();
                let known = usize::from(!dictionary.translations(&word).is_empty());
                coverage.words += 1;
                coverage.known_words += known;
                if seen.insert(word) {
                    coverage.distinct += 1;
                    coverage.known_distinct += known;
                }
            }
        }
        coverage
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
