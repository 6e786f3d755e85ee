//! A source text and its translation, as seen by the rules.

use std::ops::Range;
use std::sync::OnceLock;

use crate::language::Language;
use crate::text::budget::DEFAULT_PIECES;
use crate::text::layout;
use crate::text::segment::{Segment, Segmenter};
use crate::text::words::WordFinder;

/// Segmenters and word finders for both languages of a direction.
pub(super) struct Analyser {
    from: Side,
    to: Side,
}

struct Side {
    language: Language,
    segmenter: Segmenter,
    words: WordFinder,
}

impl Side {
    fn new(language: Language) -> Self {
        Self {
            language,
            segmenter: Segmenter::new(language, DEFAULT_PIECES),
            words: WordFinder::new(language),
        }
    }
}

impl Analyser {
    pub(super) fn new(from: Language, to: Language) -> Self {
        Self {
            from: Side::new(from),
            to: Side::new(to),
        }
    }

    pub(super) fn pair<'a>(&'a self, source: &'a str, translation: &'a str) -> Pair<'a> {
        Pair {
            source: Text::new(source, &self.from),
            translation: Text::new(translation, &self.to),
        }
    }
}

/// A source text and its translation.
pub(super) struct Pair<'a> {
    pub(super) source: Text<'a>,
    pub(super) translation: Text<'a>,
}

impl Pair<'_> {
    /// Whether there was anything to translate.
    pub(super) fn has_words(&self) -> bool {
        !self.source.prose.is_empty()
    }

    /// Pairs of lines that contain words; the whole texts if the lines do not correspond.
    pub(super) fn aligned_lines(&self) -> Vec<(String, String)> {
        let (source, translation) = (self.source.lines(), self.translation.lines());
        let has_words = |line: &str| line.contains(char::is_alphabetic);
        let alike = source.len() == translation.len()
            && source
                .iter()
                .zip(&translation)
                .all(|(a, b)| has_words(a) == has_words(b));
        if !alike {
            return vec![(
                self.source.text.to_owned(),
                self.translation.text.to_owned(),
            )];
        }
        // Only translated lines say anything about the translation.
        source
            .into_iter()
            .zip(translation)
            .filter(|(source, translation)| has_words(source) && !self.is_kept(source, translation))
            .map(|(source, translation)| (source.trim().to_owned(), translation.trim().to_owned()))
            .collect()
    }

    /// Whether the translator never saw this line.
    fn is_kept(&self, source: &str, translation: &str) -> bool {
        source == translation
            && !self
                .source
                .prose
                .iter()
                .any(|sentence| source.contains(sentence))
    }
}

/// One side of a pair.
pub(super) struct Text<'a> {
    /// The whole text.
    pub(super) text: &'a str,
    /// Its sentences that contain words; no code, marks or white space.
    pub(super) prose: Vec<&'a str>,
    /// Protected spans within the sentences.
    pub(super) protected: Vec<&'a str>,
    /// The sentences without their protected spans, one per line.
    pub(super) plain: String,
    side: &'a Side,
    words: OnceLock<Vec<Range<usize>>>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str, side: &'a Side) -> Self {
        let (mut prose, mut protected, mut plain) = (Vec::new(), Vec::new(), String::new());
        for segment in side.segmenter.segment(text) {
            let Segment::Translate(sentence) = segment else {
                continue;
            };
            prose.push(sentence.text);
            protected.extend((sentence.protected.iter()).map(|span| &sentence.text[span.clone()]));
            sentence.add_plain(&mut plain);
            plain.push('\n');
        }
        Self {
            text,
            prose,
            protected,
            plain,
            side,
            words: OnceLock::new(),
        }
    }

    pub(super) fn language(&self) -> Language {
        self.side.language
    }

    /// The words of [`Text::plain`].
    pub(super) fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        let words = self
            .words
            .get_or_init(|| self.side.words.words(&self.plain));
        words.iter().map(|word| &self.plain[word.clone()])
    }

    fn lines(&self) -> Vec<&'a str> {
        layout::lines(self.text)
            .into_iter()
            .map(|line| &self.text[line.range])
            .collect()
    }
}
