//! Texts as sequences of hashed words or characters, and hashes of runs of them.

use std::ops::Range;

use unicode_script::{Script, UnicodeScript};

/// Minimum number of words (or a third of the number of characters) of a text that counts if it
/// equals an evaluation text; shorter ones, such as `True` and `In Paris.`, are too common.
const LEAST_WORDS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Words,
    Characters,
}

impl Kind {
    /// Minimum number of symbols for a whole text to count.
    pub(super) fn least(self) -> usize {
        match self {
            Kind::Words => LEAST_WORDS,
            Kind::Characters => 3 * LEAST_WORDS,
        }
    }
}

/// The symbols by which a text is compared: its words, or its characters if most of its letters
/// belong to a script without spaces.
pub(super) struct Symbols {
    pub(super) kind: Kind,
    pub(super) hashes: Vec<u64>,
    /// Position of each symbol in the text.
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Symbols {
    pub(super) fn of(text: &str) -> Self {
        let (mut letters, mut spaceless) = (0usize, 0usize);
        if !text.is_ascii() {
            for c in text.chars().filter(|c| c.is_alphabetic()) {
                letters += 1;
                spaceless += usize::from(is_spaceless(c));
            }
        }
        let kind = match 2 * spaceless > letters {
            true => Kind::Characters,
            false => Kind::Words,
        };
        let mut symbols = Self {
            kind,
            hashes: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
        };
        let mut hash = START;
        let mut start = None;
        for (at, c) in text.char_indices() {
            // Vowel signs belong to the word; punctuation ends it.
            if !is_part_of_word(c) {
                symbols.push(&mut start, &mut hash, at);
                continue;
            }
            start.get_or_insert(at);
            for lower in c.to_lowercase() {
                hash = mixed(hash, u64::from(u32::from(lower)));
            }
            if kind == Kind::Characters {
                symbols.push(&mut start, &mut hash, at + c.len_utf8());
            }
        }
        symbols.push(&mut start, &mut hash, text.len());
        symbols
    }

    fn push(&mut self, start: &mut Option<usize>, hash: &mut u64, end: usize) {
        if let Some(start) = start.take() {
            self.hashes.push(*hash);
            self.starts.push(start as u32);
            self.ends.push(end as u32);
            *hash = START;
        }
    }

    pub(super) fn whole(&self) -> u64 {
        self.hashes
            .iter()
            .fold(START, |sum, &hash| mixed(sum, hash))
    }

    pub(super) fn text(&self, text: &str, range: Range<usize>) -> String {
        let (start, end) = (self.starts[range.start], self.ends[range.end - 1]);
        text[start as usize..end as usize].to_owned()
    }
}

fn is_part_of_word(c: char) -> bool {
    match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => c.is_alphanumeric() || c.script() == Script::Inherited || is_mark(c),
    }
}

/// Signs of scripts that write vowels around consonants; Unicode does not count them as letters.
fn is_mark(c: char) -> bool {
    !matches!(c.script(), Script::Common | Script::Unknown)
}

fn is_spaceless(c: char) -> bool {
    matches!(
        c.script(),
        Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Thai
            | Script::Lao
            | Script::Khmer
            | Script::Myanmar
            | Script::Tibetan
    )
}

const START: u64 = 0x9e37_79b9_7f4a_7c15;
/// Base of the rolling hash: odd, so that no symbol is multiplied away.
const BASE: u64 = 0x5851_f42d_4c95_7f2d;

fn mixed(state: u64, value: u64) -> u64 {
    // The finaliser of SplitMix64.
    let mut z = state.rotate_left(23) ^ value.wrapping_add(START);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Calls `visit` with the start and hash of every run of `length` symbols until it asks to stop.
/// The hash rolls, so a longer run costs no more.
pub(super) fn windows(symbols: &[u64], length: usize, mut visit: impl FnMut(usize, u64) -> bool) {
    if length == 0 || symbols.len() < length {
        return;
    }
    let highest = (1..length).fold(1u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0u64;
    for (end, &symbol) in symbols.iter().enumerate() {
        if end >= length {
            hash = hash.wrapping_sub(symbols[end - length].wrapping_mul(highest));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(symbol);
        if end + 1 >= length && visit(end + 1 - length, hash) {
            return;
        }
    }
}
