//! The input of CLD3's network: hashed character n-grams within words, the shares of relevant
//! scripts, and the script of the first letters (`ContinuousBagOfNgramsFunction`,
//! `RelevantScriptFeature` and `ScriptFeature` of the reference implementation).

use super::parameters::{Parameters, RELEVANT_SCRIPT_ROWS, RELEVANT_SCRIPTS, SCRIPT};
use super::script::{self, ScriptSpans};

/// The embedding tables of n-grams: index of the table, and n.
const NGRAM_TABLES: [(usize, usize); 4] = [(0, 2), (1, 4), (4, 3), (5, 1)];

/// Sums the embeddings of all features of `text` into the network's input.
pub(super) fn add_features(parameters: &Parameters, text: &[u8], input: &mut [f32]) {
    let place = |table: usize| {
        let start = parameters.offsets[table];
        start..start + parameters.embeddings[table].columns
    };
    let words = Words::new(text);
    for (table, n) in NGRAM_TABLES {
        let embeddings = &parameters.embeddings[table];
        let count = words.ngrams(n).count();
        let weight = 1.0 / count as f32;
        let sum = &mut input[place(table)];
        for ngram in words.ngrams(n) {
            let row = hash(ngram) as usize % embeddings.rows;
            embeddings.add(row, weight, sum);
        }
    }
    let shares = relevant_script_counts(text);
    let total: u32 = shares.iter().sum();
    for (row, &count) in shares.iter().enumerate() {
        if count > 0 {
            let weight = count as f32 / total as f32;
            let sum = &mut input[place(RELEVANT_SCRIPTS)];
            parameters.embeddings[RELEVANT_SCRIPTS].add(row, weight, sum);
        }
    }
    parameters.embeddings[SCRIPT].add(first_script(text), 1.0, &mut input[place(SCRIPT)]);
}

/// A text with `^` before and `$` after every word, and the positions of its characters.
struct Words {
    marked: Vec<u8>,
    /// Starts of the characters, and the end of the text.
    starts: Vec<usize>,
}

impl Words {
    fn new(text: &[u8]) -> Self {
        let mut words = Words {
            marked: Vec::with_capacity(text.len() * 2),
            starts: Vec::with_capacity(text.len() * 2),
        };
        words.push(b"^");
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let (character, behind) = rest.split_at(length_of(first).min(rest.len()));
            if character == b" " {
                for mark in [b"$", b" ", b"^"] {
                    words.push(mark);
                }
            } else {
                words.push(character);
            }
            rest = behind;
        }
        words.push(b"$");
        words.starts.push(words.marked.len());
        words
    }

    fn push(&mut self, character: &[u8]) {
        self.starts.push(self.marked.len());
        self.marked.extend_from_slice(character);
    }

    /// All runs of `n` characters without a space.
    fn ngrams(&self, n: usize) -> impl Iterator<Item = &[u8]> {
        self.starts
            .windows(n + 1)
            .map(move |starts| &self.marked[starts[0]..starts[n]])
            .filter(|ngram| !ngram.contains(&b' '))
    }
}

/// Length in bytes of the character that begins with `first`.
fn length_of(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

/// MurmurHash2 with the reference's seed.
fn hash(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0xbeef ^ bytes.len() as u32;
    let (quads, tail) = bytes.as_chunks::<4>();
    for quad in quads {
        let mut k = u32::from_le_bytes(*quad).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (place, &byte) in tail.iter().enumerate() {
            h ^= u32::from(byte) << (8 * place);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// Row of a character in the table of relevant scripts: by encoded length, with separate rows for
/// Greek, Cyrillic, Hebrew, Arabic, Hangul Jamo, Hiragana and Katakana. Of ASCII, only letters
/// count.
fn relevant_script_counts(text: &[u8]) -> [u32; RELEVANT_SCRIPT_ROWS] {
    let mut counts = [0; RELEVANT_SCRIPT_ROWS];
    for character in String::from_utf8_lossy(text).chars() {
        let row = match u32::from(character) {
            0..0x80 if character.is_ascii_alphabetic() => 1,
            0..0x80 => continue,
            0x370..0x400 => 5,
            0x400..0x500 => 6,
            0x590..0x600 => 7,
            0x600..0x700 => 8,
            0x80..0x800 => 2,
            0x1100..0x1200 => 9,
            0x3041..0x30a0 => 10,
            0x30a0..0x3100 => 11,
            0x800..0x1_0000 => 3,
            _ => 4,
        };
        counts[row] += 1;
    }
    counts
}

/// Row of the script of the first span. Hangul, which shares its number with Han, has its own row.
fn first_script(text: &[u8]) -> usize {
    let text = String::from_utf8_lossy(text);
    let mut span = String::new();
    let Some(number) = ScriptSpans::new(&text, text.len()).next(&mut span) else {
        return 0;
    };
    if number != script::HAN {
        return usize::from(number);
    }
    let is_hangul = |c: &char| {
        matches!(u32::from(*c),
            0x1100..=0x11ff | 0xa960..=0xa97f | 0xd7b0..=0xd7ff | 0x3130..=0x318f
            | 0xffa0..=0xffdc | 0xac00..=0xd7af)
    };
    let characters = span.chars().filter(|c| *c != ' ');
    let (hangul, total) = characters.fold((0, 0), |(hangul, total), c| {
        (hangul + usize::from(is_hangul(&c)), total + 1)
    });
    match hangul * 2 > total {
        true => script::COUNT,
        false => usize::from(script::HAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_stay_within_marked_words() {
        let words = Words::new(" é b ".as_bytes());
        let texts = |n| -> Vec<&str> {
            let texts = words.ngrams(n).map(|ngram| str::from_utf8(ngram).unwrap());
            texts.collect()
        };
        assert_eq!(texts(2), ["^$", "^é", "é$", "^b", "b$", "^$"]);
        assert_eq!(texts(3), ["^é$", "^b$"]);
        assert!(texts(4).is_empty());
    }
}
