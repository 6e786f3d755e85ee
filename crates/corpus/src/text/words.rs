//! Words of a text, in every script.

use std::ops::Range;

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};

use super::latin;
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
        // No word reaches over a space or line break, and what is between two of them is most often
        // Latin. A combining mark after a space belongs to the space: ICU is shown both.
        let mut start = 0;
        while start < text.len() {
            let end = chunk_end(text, start);
            if !latin::add_words(&text[start..end], start, &mut words) {
                self.add_words(text, start..end, &mut words);
            }
            start = end;
        }
        words
    }

    /// Adds the words of a part of a text by ICU.
    fn add_words(&self, text: &str, part: Range<usize>, words: &mut Vec<Range<usize>>) {
        let offset = part.start;
        let mut start = offset;
        // ICU's own word type calls a word that ends in a combining mark no word.
        for end in self.segmenter.segment_str(&text[part]) {
            let end = offset + end;
            if text[start..end].contains(char::is_alphabetic) {
                words.push(start..end);
            }
            start = end;
        }
    }
}

/// Where the part of `text` from `start` ends that is looked at by itself: before the next space or
/// line break that comes after something else.
fn chunk_end(text: &str, start: usize) -> usize {
    let bytes = &text.as_bytes()[start..];
    let is_break = |byte: &u8| matches!(byte, b' ' | b'\n');
    let breaks = bytes.iter().take_while(|byte| is_break(byte)).count();
    let length = bytes[breaks..].iter().position(is_break);
    length.map_or(text.len(), |length| start + breaks + length)
}
