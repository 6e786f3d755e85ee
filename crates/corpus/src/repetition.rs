//! Loops in texts, as small language models and translators produce them when they fail.

mod compression;

use std::fmt;

use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;

/// The loop of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    /// The repeated unit.
    pub unit: String,
    /// Number of times it occurs.
    pub count: usize,
}

impl fmt::Display for Repetition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shortened: String = self.unit.chars().take(80).collect();
        let dots = if shortened.len() < self.unit.len() {
            "…"
        } else {
            ""
        };
        write!(f, "\"{shortened}{dots}\" {} times", self.count)
    }
}

/// Maximum length, in words, of a unit whose immediate repetition is looked for.
const LONGEST_UNIT: usize = 40;
/// Maximum length of a unit, in characters, in text without spaces.
const LONGEST_CHARACTERS: usize = 64;
/// Number of words from which repeating a phrase counts as a repetition.
const PHRASE: usize = 6;
/// Number of words below which repeated phrases are not judged.
const FEWEST_WORDS: usize = 40;
/// Maximum share of a text's words in repeated phrases.
const LARGEST_SHARE: f64 = 0.5;

/// The loop of `text`, if it has one: a unit repeated without a break, or phrases of six words that
/// recur until they make up half of the text.
///
/// Only words with letters count, so that the numbers of a list do not hide a loop, and tables and
/// rows of numbers are not taken for one. Case and punctuation do not matter.
pub fn looping(text: &str) -> Option<Repetition> {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|w| w.contains(char::is_alphabetic))
        .collect();
    let hashes: Vec<u64> = words.iter().map(|word| fold(word)).collect();
    if let Some((start, unit, count)) = immediate(&hashes, LONGEST_UNIT, enough_words) {
        return Some(Repetition {
            unit: words[start..start + unit].join(" "),
            count,
        });
    }
    if let Some((start, count)) = returning_phrases(&hashes) {
        return Some(Repetition {
            unit: words[start..start + PHRASE].join(" "),
            count,
        });
    }
    words.iter().find_map(|word| within(word))
}

/// The loop that a translation has and its source does not: a repeated unit ([`looping`]), or text
/// that compresses far better than the source.
pub fn added(source: &str, translation: &str) -> Option<String> {
    match looping(translation) {
        Some(found) => looping(source).is_none().then(|| found.to_string()),
        None => compresses_beyond([source], translation),
    }
}

/// Whether a translation compresses far better than each of `sources`, as loops that vary slightly
/// do.
pub fn compresses_beyond<'s>(
    sources: impl IntoIterator<Item = &'s str>,
    translation: &str,
) -> Option<String> {
    compression::excess(sources.into_iter(), translation)
        .map(|ratio| format!("{ratio:.1} characters for a compressed byte"))
}

/// A loop within a single word: `hahahaha…`, or a sentence in a script without spaces.
fn within(word: &str) -> Option<Repetition> {
    // A loop of the minimum length has at least this many bytes.
    if word.len() < LEAST_CHARACTERS {
        return None;
    }
    let characters: Vec<char> = word.chars().collect();
    let symbols: Vec<u64> = characters.iter().map(|&c| u64::from(c)).collect();
    let (start, unit, count) = immediate(&symbols, LONGEST_CHARACTERS, enough_characters)?;
    let unit: String = characters[start..start + unit].iter().collect();
    // Rulers such as "a------" or "Name:________" are layout.
    unit.contains(char::is_alphabetic)
        .then_some(Repetition { unit, count })
}

/// Minimum number of characters of a loop within a word.
const LEAST_CHARACTERS: usize = 24;

fn enough_characters(unit: usize, count: usize) -> bool {
    count >= 4 && unit * count >= LEAST_CHARACTERS
}

/// Whether a unit of this many words, repeated this often, is a loop. The shorter the unit, the
/// more often people repeat it on purpose ("no, no, no").
fn enough_words(unit: usize, count: usize) -> bool {
    match unit {
        1 => count >= 8,
        2..=3 => count >= 5,
        4..=9 => count >= 4,
        _ => count >= 3,
    }
}

/// The longest run of a unit repeated without a break, as (start, length of the unit, count).
fn immediate(
    symbols: &[u64],
    longest: usize,
    enough: impl Fn(usize, usize) -> bool,
) -> Option<(usize, usize, usize)> {
    let mut found: Option<(usize, usize, usize)> = None;
    for unit in 1..=longest.min(symbols.len() / 2) {
        let mut run = 0;
        for end in unit..symbols.len() {
            run = if symbols[end] == symbols[end - unit] {
                run + 1
            } else {
                0
            };
            let count = run / unit + 1;
            if run % unit == 0 && run > 0 && enough(unit, count) {
                let longer = found.is_none_or(|(_, u, c)| unit * count > u * c);
                if longer {
                    found = Some((end + 1 - unit - run, unit, count));
                }
            }
        }
        if found.is_some() {
            // Longer units are multiples of this one.
            return found;
        }
    }
    None
}

/// The most frequent phrase, as (start, count), if the words of repeated phrases make up too much
/// of the text.
fn returning_phrases(hashes: &[u64]) -> Option<(usize, usize)> {
    if hashes.len() < FEWEST_WORDS {
        return None;
    }
    let mut seen: FxHashMap<u64, (usize, usize)> = FxHashMap::default();
    let (mut repeated, mut covered_to) = (0, 0);
    for (start, phrase) in hashes.windows(PHRASE).enumerate() {
        let mut hasher = FxHasher::default();
        phrase.iter().for_each(|&word| hasher.write_u64(word));
        let entry = seen.entry(hasher.finish()).or_insert((start, 0));
        entry.1 += 1;
        if entry.1 > 1 {
            repeated += start + PHRASE - covered_to.max(start);
            covered_to = start + PHRASE;
        }
    }
    if repeated as f64 <= LARGEST_SHARE * hashes.len() as f64 {
        return None;
    }
    seen.into_values()
        .max_by_key(|&(start, count)| (count, std::cmp::Reverse(start)))
}

/// A word with case and punctuation removed.
fn fold(word: &str) -> u64 {
    let mut hasher = FxHasher::default();
    for c in word.chars().filter(|c| c.is_alphanumeric()) {
        match c.is_ascii() {
            true => hasher.write_u32(c.to_ascii_lowercase().into()),
            false => c.to_lowercase().for_each(|c| hasher.write_u32(c.into())),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Option<(String, usize)> {
        looping(text).map(|found| (found.unit, found.count))
    }

    #[test]
    fn finds_units_said_again_and_again() {
        assert_eq!(unit(&"no ".repeat(9)), Some(("no".into(), 9)));
        let text = format!("I think that {}", "the cat sat on the mat, ".repeat(4));
        assert_eq!(unit(&text), Some(("the cat sat on the mat,".into(), 4)));
        assert_eq!(
            unit(&"O gato dorme. ".repeat(5)),
            Some(("O gato dorme.".into(), 5))
        );
    }

    #[test]
    fn numbers_do_not_hide_a_loop() {
        let list: String = (1..=6)
            .map(|n| format!("{n}. Eat more vegetables\n"))
            .collect();
        assert_eq!(unit(&list), Some(("Eat more vegetables".into(), 6)));
    }

    #[test]
    fn finds_loops_without_spaces() {
        assert_eq!(
            unit(&"ha".repeat(20)).map(|(unit, _)| unit),
            Some("ha".into())
        );
        assert_eq!(
            unit(&"私は猫が好きです。".repeat(5)),
            Some(("私は猫が好きです。".into(), 5))
        );
        assert_eq!(unit(&"ฉันชอบแมว".repeat(4)), Some(("ฉันชอบแมว".into(), 4)));
    }

    #[test]
    fn finds_phrases_that_keep_coming_back() {
        let topics = [
            "health", "money", "work", "school", "family", "sport", "music", "travel",
        ];
        let line =
            |topic: &&str| format!("When it comes to {topic} the best thing to do is to ask. ");
        let text: String = topics.iter().map(line).collect();
        assert!(looping(&text).is_some());
    }

    #[test]
    fn leaves_speech_tables_and_rulers_alone() {
        for text in [
            "",
            "No, no, no, that is not what I said.",
            "Row, row, row your boat, gently down the stream.",
            "| a | b |\n|---|---|\n| --- | --- |\n| 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |",
            "Name: ______________________________________________",
            "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97",
            "1. Wash the rice.\n2. Boil the water.\n3. Add the rice.\n4. Add the salt.\n5. Wait.",
            "https://example.org/a/very/long/path/that/does/not/repeat/itself/at/all",
        ] {
            assert_eq!(looping(text), None, "{text}");
        }
    }
}
