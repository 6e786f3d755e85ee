//! Words and sentences of text in Latin letters, without ICU's tables.
//!
//! The rules of Unicode Standard Annex 29 for the characters that such text is made of, many times
//! as fast as the general machinery, which says the same of them (a test holds them equal). Text
//! with any other character is left to it.

use std::ops::Range;

/// What the rules tell apart among the characters known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upper,
    Lower,
    Digit,
    /// `_`, which joins words.
    Underscore,
    FullStop,
    /// `!` and `?`.
    Mark,
    /// `'` and `’`, which join letters and close sentences.
    Apostrophe,
    /// `:`, and others that join letters and continue sentences.
    Colon,
    /// `,` and `;`, which join digits and continue sentences.
    Comma,
    /// Brackets and quotation marks.
    Close,
    /// Dashes, which continue sentences.
    Dash,
    Space,
    /// Between words only: a line has none.
    LineBreak,
    Other,
}

/// The kind of a character; `None` for one that is not known here.
fn kind(c: char) -> Option<Kind> {
    Some(match c {
        'A'..='Z' => Kind::Upper,
        'a'..='z' => Kind::Lower,
        '0'..='9' => Kind::Digit,
        '_' => Kind::Underscore,
        '.' => Kind::FullStop,
        '!' | '?' => Kind::Mark,
        '\'' | '\u{2018}' | '\u{2019}' => Kind::Apostrophe,
        ':' => Kind::Colon,
        ',' | ';' => Kind::Comma,
        '(' | ')' | '[' | ']' | '{' | '}' | '"' | '«' | '»' | '\u{201c}' | '\u{201d}' => {
            Kind::Close
        }
        '-' | '\u{2013}' | '\u{2014}' => Kind::Dash,
        ' ' | '\t' => Kind::Space,
        '\n' => Kind::LineBreak,
        '#'..='&'
        | '*'
        | '+'
        | '/'
        | '<'..='>'
        | '@'
        | '\\'
        | '^'
        | '`'
        | '|'
        | '~'
        | '\u{2026}' => Kind::Other,
        '\u{c0}'..='\u{17f}' if c != '×' && c != '÷' => match c.is_uppercase() {
            true => Kind::Upper,
            false => Kind::Lower,
        },
        _ => return None,
    })
}

/// The kinds of all characters of `text` with where they begin; `None` where one is not known.
fn kinds(text: &str) -> Option<Vec<(usize, Kind)>> {
    let mut kinds = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let kind = kind(c).filter(|&kind| kind != Kind::LineBreak)?;
        kinds.push((at, kind));
    }
    Some(kinds)
}

/// Adds the words of `text` (segments with a letter in them) to `words`, each moved by `offset`;
/// false, and nothing added, where a character is not known here.
pub(super) fn add_words(text: &str, offset: usize, words: &mut Vec<Range<usize>>) -> bool {
    let before = words.len();
    // Of the word being read: where it begins and whether it has a letter.
    let mut word: Option<(usize, bool)> = None;
    let mut chars = text.char_indices().peekable();
    let mut last = Kind::Other;
    while let Some((at, c)) = chars.next() {
        let Some(kind) = kind(c) else {
            words.truncate(before);
            return false;
        };
        let next = || chars.clone().next().and_then(|(_, c)| self::kind(c));
        let joins = match kind {
            Kind::Upper | Kind::Lower => {
                let (start, _) = word.unwrap_or((at, true));
                word = Some((start, true));
                true
            }
            Kind::Digit | Kind::Underscore => {
                word = word.or(Some((at, false)));
                true
            }
            Kind::FullStop | Kind::Apostrophe => {
                is_letter(last) && next().is_some_and(is_letter)
                    || last == Kind::Digit && next() == Some(Kind::Digit)
            }
            Kind::Colon => is_letter(last) && next().is_some_and(is_letter),
            Kind::Comma => last == Kind::Digit && next() == Some(Kind::Digit),
            _ => false,
        };
        if !joins && let Some((start, true)) = word.take() {
            words.push(offset + start..offset + at);
        }
        last = kind;
    }
    if let Some((start, true)) = word {
        words.push(offset + start..offset + text.len());
    }
    true
}

fn is_letter(kind: Kind) -> bool {
    matches!(kind, Kind::Upper | Kind::Lower)
}

/// Where the sentences of `line` end, the end of the line left out; `None` where a character is
/// not known here.
pub(super) fn sentence_ends(line: &str) -> Option<Vec<usize>> {
    let kinds = kinds(line)?;
    let kind = |index: usize| kinds.get(index).map(|&(_, kind)| kind);
    let is_close = |kind| matches!(kind, Kind::Close | Kind::Apostrophe);
    let skip = |mut index: usize, is: &dyn Fn(Kind) -> bool| {
        while kind(index).is_some_and(is) {
            index += 1;
        }
        index
    };
    let mut ends = Vec::new();
    for (index, &(_, terminator)) in kinds.iter().enumerate() {
        if !matches!(terminator, Kind::FullStop | Kind::Mark) {
            continue;
        }
        let closed = skip(index + 1, &is_close);
        let next = skip(closed, &|kind| kind == Kind::Space);
        let Some(follower) = kind(next) else {
            continue;
        };
        // SB8a: what goes on with a comma, a dash or another mark is no new sentence.
        if matches!(
            follower,
            Kind::FullStop | Kind::Mark | Kind::Colon | Kind::Comma | Kind::Dash
        ) {
            continue;
        }
        if terminator == Kind::FullStop {
            let touches = next == index + 1;
            // SB6, SB7: `3.4`, `U.S`.
            if touches && follower == Kind::Digit
                || touches
                    && follower == Kind::Upper
                    && index.checked_sub(1).and_then(kind).is_some_and(is_letter)
            {
                continue;
            }
            // SB8: a small letter before anything else that could begin or end a sentence.
            let first = skip(next, &|kind| {
                !is_letter(kind) && !matches!(kind, Kind::FullStop | Kind::Mark)
            });
            if kind(first) == Some(Kind::Lower) {
                continue;
            }
        }
        ends.push(kinds[next].0);
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use icu_segmenter::options::{SentenceBreakInvariantOptions, WordBreakInvariantOptions};
    use icu_segmenter::{SentenceSegmenter, WordSegmenter};

    use super::*;

    /// Texts of all characters known here, those with a rule of their own more often.
    fn texts() -> Vec<String> {
        let known = |&c: &char| kind(c).is_some_and(|kind| kind != Kind::LineBreak);
        let known: Vec<char> = ('\0'..='\u{2100}').filter(known).collect();
        assert!(known.len() > 250);
        let special: Vec<char> = "aBé19_.!?'’:,;()\"»- \tæ".chars().collect();
        let mut state = 3_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 9) as usize % below
        };
        let mut character = || match random(4) {
            0 => known[random(known.len())],
            _ => special[random(special.len())],
        };
        let mut text = |length: usize| (0..length).map(|_| character()).collect();
        (0..200_000).map(|index| text(index % 14)).collect()
    }

    #[test]
    fn words_are_those_of_icu() {
        let icu = WordSegmenter::new_for_non_complex_scripts(WordBreakInvariantOptions::default());
        for text in texts() {
            let breaks: Vec<usize> = icu.segment_str(&text).collect();
            let expected: Vec<Range<usize>> = breaks
                .windows(2)
                .map(|pair| pair[0]..pair[1])
                .filter(|range| text[range.clone()].contains(char::is_alphabetic))
                .collect();
            let mut words = Vec::new();
            assert!(add_words(&text, 0, &mut words));
            assert_eq!(words, expected, "{text:?}");
        }
    }

    #[test]
    fn sentences_are_those_of_icu() {
        let icu = SentenceSegmenter::new(SentenceBreakInvariantOptions::default());
        for text in texts() {
            let expected: Vec<usize> = icu
                .segment_str(&text)
                .filter(|&end| end > 0 && end < text.len())
                .collect();
            assert_eq!(sentence_ends(&text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        assert_eq!(sentence_ends("a.\nB"), None);
        for text in ["日本", "a\u{301}", "ß\u{200d}", "I ❤ you", "a\u{ad}b"] {
            assert_eq!(sentence_ends(text), None);
            assert!(!add_words(text, 0, &mut Vec::new()));
        }
    }
}
