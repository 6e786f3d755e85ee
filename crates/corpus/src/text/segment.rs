//! Splits a text into sentences to translate and parts to keep, and joins them again.

use std::borrow::Cow;
use std::ops::Range;

use super::budget;
use super::code::code_lines;
use super::layout::{self, Line};
use super::protect::{Protected, protected};
use super::sentences::SentenceSplitter;
use crate::language::Language;

/// A piece of a text; the concatenation of all pieces is the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Copied unchanged: white space, code, list marks, tags, lines without words.
    Keep(&'a str),
    /// Translated as one sentence.
    Translate(Sentence<'a>),
}

/// A sentence, or a clause of an overlong one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sentence<'a> {
    /// The sentence without surrounding white space.
    pub text: &'a str,
    /// Byte ranges in `text` that translation must not change, in order.
    pub protected: Vec<Range<usize>>,
}

impl Sentence<'_> {
    /// Adds the text outside protected spans to `plain`.
    pub fn add_plain(&self, plain: &mut String) {
        let mut end = 0;
        for span in &self.protected {
            plain.push_str(&self.text[end..span.start]);
            end = span.end;
        }
        plain.push_str(&self.text[end..]);
    }
}

/// Splits texts of one language into [`Segment`]s.
pub struct Segmenter {
    splitter: SentenceSplitter,
    pieces: usize,
}

impl Segmenter {
    /// A segmenter for text in `language`. Sentences have at most `pieces` subword pieces, by
    /// estimate ([`budget::DEFAULT_PIECES`]).
    pub fn new(language: Language, pieces: usize) -> Self {
        Self {
            splitter: SentenceSplitter::new(language),
            pieces,
        }
    }

    /// The segments of `text`. No sentence crosses a line break, and the concatenation of the
    /// unchanged segments is `text`, byte for byte.
    pub fn segment<'a>(&self, text: &'a str) -> Vec<Segment<'a>> {
        let mut row = Row {
            text,
            kept: 0,
            segments: Vec::new(),
        };
        let lines = layout::lines(text);
        let ranges: Vec<Range<usize>> = lines.iter().map(|line| line.range.clone()).collect();
        let code = code_lines(text, &ranges);
        for (line, is_code) in lines.iter().zip(code) {
            if !is_code && !line.verbatim {
                self.prose(line, &mut row);
            }
        }
        row.keep_until(text.len());
        row.segments
    }

    /// Adds the sentences of one line.
    fn prose(&self, line: &Line, row: &mut Row) {
        for cell in layout::cells(row.text, line) {
            let text = &row.text[cell.clone()];
            let spans = protected(text);
            let mut start = 0;
            // A mark ends one stretch of words and begins the next.
            for mark in spans.iter().filter(|span| span.kind.is_mark()) {
                self.stretch(&cell, start..mark.range.start, &spans, row);
                start = mark.range.end;
            }
            self.stretch(&cell, start..text.len(), &spans, row);
        }
    }

    /// Adds the sentences of the part `stretch` of a cell; ranges are relative to the cell.
    fn stretch(
        &self,
        cell: &Range<usize>,
        stretch: Range<usize>,
        spans: &[Protected],
        row: &mut Row,
    ) {
        let text = &row.text[cell.start + stretch.start..cell.start + stretch.end];
        if !text.contains(char::is_alphabetic) {
            return;
        }
        let first = spans.partition_point(|span| span.range.end <= stretch.start);
        let mut closed: Vec<Range<usize>> = Vec::new();
        for span in spans[first..]
            .iter()
            .take_while(|span| span.range.start < stretch.end)
        {
            let range = span.range.start - stretch.start..span.range.end - stretch.start;
            // Adjacent spans become one.
            match closed.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => closed.push(range),
            }
        }
        for sentence in self.splitter.split(text, &closed) {
            for part in budget::split(text, sentence, self.pieces, &closed) {
                let inside = closed.partition_point(|span| span.end <= part.start);
                let protected: Vec<Range<usize>> = closed[inside..]
                    .iter()
                    .take_while(|span| span.start < part.end)
                    .map(|span| {
                        span.start.max(part.start) - part.start..span.end.min(part.end) - part.start
                    })
                    .collect();
                let sentence = Sentence {
                    text: &text[part.clone()],
                    protected,
                };
                if sentence.has_words() {
                    let start = cell.start + stretch.start + part.start;
                    row.translate(start, sentence);
                }
            }
        }
    }
}

/// The segments found so far; `text[..kept]` is in them.
struct Row<'a> {
    text: &'a str,
    kept: usize,
    segments: Vec<Segment<'a>>,
}

impl<'a> Row<'a> {
    fn keep_until(&mut self, end: usize) {
        if end > self.kept {
            self.segments
                .push(Segment::Keep(&self.text[self.kept..end]));
            self.kept = end;
        }
    }

    fn translate(&mut self, start: usize, sentence: Sentence<'a>) {
        self.keep_until(start);
        self.kept = start + sentence.text.len();
        self.segments.push(Segment::Translate(sentence));
    }
}

/// Joins a text again; `translations` are those of the [`Segment::Translate`]s, in order.
///
/// Separators are kept exactly. If the source writes no space between sentences but the target
/// does, one is inserted between two translated sentences that touch.
pub fn join<'t>(
    segments: &[Segment],
    translations: impl IntoIterator<Item = &'t str>,
    from: Language,
    to: Language,
) -> String {
    let spaced = from.writes_without_spaces() && !to.writes_without_spaces();
    let mut translations = translations.into_iter();
    let mut text = String::new();
    let mut after_sentence = false;
    for segment in segments {
        match segment {
            Segment::Keep(kept) => text.push_str(kept),
            Segment::Translate(_) => {
                if after_sentence && spaced {
                    text.push(' ');
                }
                text.push_str(translations.next().expect("one translation a sentence"));
            }
        }
        after_sentence = matches!(segment, Segment::Translate(_));
    }
    text
}

impl<'a> Sentence<'a> {
    /// The sentence as the translator sees it: each protected span is replaced by a code like
    /// `XK1`, which translators copy like a name. Without protected spans, it is the sentence
    /// itself.
    pub fn masked(&self) -> Cow<'a, str> {
        match self.protected.is_empty() {
            true => Cow::Borrowed(self.text),
            false => Cow::Owned(self.masked_with(str::to_owned)),
        }
    }

    /// As [`Sentence::masked`], with `change` applied to what is not protected.
    pub fn masked_with(&self, change: impl Fn(&str) -> String) -> String {
        let letters = self.placeholder_letters();
        let mut masked = String::with_capacity(self.text.len());
        let mut end = 0;
        for (number, span) in self.protected.iter().enumerate() {
            masked.push_str(&change(&self.text[end..span.start]));
            // A placeholder without a space would be read as part of the neighbouring word.
            let glued = masked.ends_with(char::is_alphanumeric);
            masked.push_str(if glued { " " } else { "" });
            masked.push_str(&placeholder(letters, number));
            let next = self.text[span.end..].chars().next();
            masked.push_str(if next.is_some_and(char::is_alphanumeric) {
                " "
            } else {
                ""
            });
            end = span.end;
        }
        masked.push_str(&change(&self.text[end..]));
        masked
    }

    /// Restores the protected spans in the translation of [`Sentence::masked`]; `None` if a
    /// placeholder was lost, changed or repeated.
    pub fn restored(&self, translation: &str) -> Option<String> {
        if self.protected.is_empty() {
            return Some(translation.to_owned());
        }
        let letters = self.placeholder_letters();
        let mut found = Vec::with_capacity(self.protected.len());
        for (number, span) in self.protected.iter().enumerate() {
            let code = placeholder(letters, number);
            let mut places = translation.match_indices(&code).filter(|(at, _)| {
                let end = at + code.len();
                !translation[end..].starts_with(|c: char| c.is_ascii_digit())
            });
            let (at, _) = places.next()?;
            if places.next().is_some() {
                return None;
            }
            found.push((at..at + code.len(), span));
        }
        found.sort_by_key(|(place, _)| place.start);
        let mut restored = String::with_capacity(translation.len());
        let mut end = 0;
        for (place, span) in found {
            restored.push_str(&translation[end..place.start]);
            let glued = self.is_glued(span.start) && restored.ends_with(' ');
            if glued {
                restored.pop();
            }
            restored.push_str(&self.text[span.clone()]);
            let next = self.text[span.end..].chars().next();
            end = place.end;
            if next.is_some_and(char::is_alphanumeric) && translation[end..].starts_with(' ') {
                end += 1;
            }
        }
        restored.push_str(&translation[end..]);
        Some(restored)
    }

    /// The sentence split at its protected spans, for use if the placeholders did not survive.
    pub fn around_protected(&self) -> Vec<Segment<'a>> {
        let mut row = Row {
            text: self.text,
            kept: 0,
            segments: Vec::new(),
        };
        let ends = self
            .protected
            .iter()
            .map(|span| span.start)
            .chain([self.text.len()]);
        let starts = [0]
            .into_iter()
            .chain(self.protected.iter().map(|span| span.end));
        for (start, end) in starts.zip(ends) {
            let part = &self.text[start..end];
            let trimmed = part.trim();
            if trimmed.contains(char::is_alphabetic) {
                let offset = part.len() - part.trim_start().len();
                row.translate(
                    start + offset,
                    Sentence {
                        text: trimmed,
                        protected: Vec::new(),
                    },
                );
            }
        }
        row.keep_until(self.text.len());
        row.segments
    }

    /// Whether there is anything to translate outside the protected spans.
    pub fn has_words(&self) -> bool {
        self.outside()
            .any(|part| part.contains(char::is_alphabetic))
    }

    /// The parts of the text outside the protected spans.
    pub fn outside(&self) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        let text = self.text;
        let starts = [0]
            .into_iter()
            .chain(self.protected.iter().map(|span| span.end));
        let ends = self
            .protected
            .iter()
            .map(|span| span.start)
            .chain([text.len()]);
        starts.zip(ends).map(move |(start, end)| &text[start..end])
    }

    /// The sentence with further protected spans; those that touch others are merged with them.
    pub fn protecting(&self, further: Vec<Range<usize>>) -> Self {
        let mut spans = [self.protected.clone(), further].concat();
        spans.sort_by_key(|span| (span.start, span.end));
        let mut protected: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match protected.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => protected.push(span),
            }
        }
        Self {
            text: self.text,
            protected,
        }
    }

    fn is_glued(&self, at: usize) -> bool {
        self.text[..at].ends_with(char::is_alphanumeric)
    }

    /// Letters of the placeholders; they do not occur in the sentence.
    fn placeholder_letters(&self) -> &'static str {
        ["XK", "QZ", "ZX", "KQ", "VW"]
            .into_iter()
            .find(|letters| !self.text.contains(letters))
            .unwrap_or("XQZ")
    }
}

fn placeholder(letters: &str, number: usize) -> String {
    format!("{letters}{}", number + 1)
}
