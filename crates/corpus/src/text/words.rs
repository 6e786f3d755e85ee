//! Words of a text, in every script.

use std::ops::Range;

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};

use crate::language::Language;

/// Finds words: by dictionary and neural model (ICU) where a script puts no spaces between them,
/// by Unicode Standard Annex 29 elsewhere.
pub struct WordFinder {
    segmenter: WordSegmenterBorrowed<'static>,
}

impl WordFinder {
    /// A finder for text in `language`. Foreign words in it are found, too.
    pub fn new(language: Language) -> Self {
        let options = WordBreakInvariantOptions::default();
        let segmenter = if language.writes_without_spaces() {
            WordSegmenter::new_auto(options)
        } else {
            WordSegmenter::new_for_non_complex_scripts(options)
        };
        Self { segmenter }
    }

    /// Byte ranges of the words of `text`, in order. Numbers, punctuation and white space are not
    /// words; `don't` is one.
    pub fn words(&self, text: &str) -> Vec<Range<usize>> {
        let mut words = Vec::with_capacity(text.len() / 6 + 1);
        let mut start = 0;
        // ICU's own word type calls a word that ends in a combining mark no word.
        for end in self.segmenter.segment_str(text) {
            if text[start..end].contains(char::is_alphabetic) {
                words.push(start..end);
            }
            start = end;
        }
        words
    }
}
