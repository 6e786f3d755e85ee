//! Runs of lower-cased letters in one script, as CLD3 and its predecessor CLD2 split a text
//! (`ScriptScanner::GetOneScriptSpanLower` of the reference implementation, for plain text).

use std::sync::LazyLock;

/// Number of scripts.
pub(super) const COUNT: usize = 102;
/// Number of everything that is neither a letter nor a mark.
const COMMON: u8 = 0;
/// Chinese characters, kana and Hangul, which count as one script here.
pub(super) const HAN: u8 = 24;
/// Marks that continue any script.
const INHERITED: u8 = 40;

/// Letters and marks of Unicode 6.2: first and last code point and the number of the script,
/// exported from the reference implementation (`reference/cld3/export.py`). The numbers are rows of
/// the script's embedding table. As in the reference implementation, letters added to Unicode later
/// are skipped.
const RANGES: &str = include_str!("scripts.tsv");

/// Number of a character's script; 0 if it is neither a letter nor a mark.
fn script(character: char) -> u8 {
    static NUMBERS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut numbers = Vec::new();
        for line in RANGES.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let mut column = |radix| {
                let number = columns
                    .next()
                    .and_then(|c| u32::from_str_radix(c, radix).ok());
                number.expect("a line of the table has three numbers") as usize
            };
            let (first, last, number) = (column(16), column(16), column(10));
            numbers.resize(first, COMMON);
            numbers.resize(last + 1, number as u8);
        }
        numbers
    });
    NUMBERS.get(character as usize).copied().unwrap_or(COMMON)
}

/// Iterates over the spans of a text.
pub(super) struct ScriptSpans<'t> {
    text: &'t str,
    /// End of the text for this purpose; the script of the character after it still counts.
    limit: usize,
    at: usize,
}

impl<'t> ScriptSpans<'t> {
    /// Spans of the first `limit` bytes of `text`; `limit` is a character boundary.
    pub(super) fn new(text: &'t str, limit: usize) -> Self {
        Self { text, limit, at: 0 }
    }

    /// Appends the next span to `span`, with a space before it and after every run of letters.
    /// Returns its script, or `None` at the end.
    ///
    /// A single letter of another script does not end a span if the next letter returns to the
    /// script.
    pub(super) fn next(&mut self, span: &mut String) -> Option<u8> {
        let own = self.skip_to_letter()?;
        span.push(' ');
        while let Some(character) = self.peek() {
            let number = script(character);
            if number != own && number != INHERITED {
                let behind = self.text[self.at + character.len_utf8()..].chars().next();
                let behind = behind.map_or(COMMON, script);
                if number == COMMON || behind != COMMON && behind != own {
                    // The end of a run of letters, and of the span if other letters follow.
                    let next = self.skip_to_letter().unwrap_or(COMMON);
                    span.push(' ');
                    if next != own && next != INHERITED {
                        return Some(own);
                    }
                    continue;
                }
            }
            span.push(lower(character));
            self.at += character.len_utf8();
        }
        span.push(' ');
        Some(own)
    }

    fn peek(&self) -> Option<char> {
        let rest = &self.text[self.at..];
        rest.chars().next().filter(|_| self.at < self.limit)
    }

    /// Skips everything but letters. Returns the script of the next letter, or `None` at the end.
    fn skip_to_letter(&mut self) -> Option<u8> {
        loop {
            let character = self.peek()?;
            match script(character) {
                COMMON => self.at += character.len_utf8(),
                number => return Some(number),
            }
        }
    }
}

/// Lower case of Unicode 6.2, letter by letter: Cherokee had none at the time, and `İ` loses its
/// dot.
fn lower(character: char) -> char {
    match character {
        'İ' => 'i',
        '\u{13a0}'..='\u{13f4}' => character,
        _ => character.to_lowercase().next().unwrap_or(character),
    }
}
