//! Dictionaries made by translating words, for language pairs without one.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::language::Language;
use crate::seam::{EngineError, Translator};
use crate::text::words::WordFinder;

/// Letters of the longest word that is translated; what is longer is hardly a word, and translating
/// it takes long.
const LONGEST_WORD: usize = 40;

/// The `most` most frequent words of `texts`, in lower case, most frequent first.
///
/// Words that are always capitalised are left out: most are names.
pub fn vocabulary<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    language: Language,
    most: usize,
) -> Vec<String> {
    let finder = WordFinder::new(language);
    // Number of occurrences, and whether one of them was in lower case.
    let mut counts: FxHashMap<String, (usize, bool)> = FxHashMap::default();
    for text in texts {
        for word in finder.words(text) {
            let word = &text[word];
            if word.chars().nth(LONGEST_WORD).is_some() {
                continue;
            }
            let lower = !word.contains(char::is_uppercase);
            let (count, seen_lower) = counts.entry(word.to_lowercase()).or_default();
            *count += 1;
            *seen_lower |= lower;
        }
    }
    let mut words: Vec<(String, usize)> = counts
        .into_iter()
        .filter(|(_, (_, lower))| *lower)
        .map(|(word, (count, _))| (word, count))
        .collect();
    words.sort_unstable_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    words.truncate(most);
    words.into_iter().map(|(word, _)| word).collect()
}

/// Translates `words` of `from` one by one with `forward`, and the translations back with
/// `backward`. Returns the pairs whose back-translation is the word again.
///
/// Translation models are trained on sentences and invent context for a single word (`word` became
/// `a palavra`, `good` became `Bom, bom serviço`); as a list item it is translated as it is. The
/// back-translation removes what is invented nevertheless.
pub fn pairs(
    forward: &dyn Translator,
    backward: &dyn Translator,
    words: &[String],
    from: Language,
    to: Language,
) -> Result<Vec<(String, String)>, EngineError> {
    let translations = translate_words(forward, words, from, to)?;
    let back = translate_words(backward, &translations, to, from)?;
    let pairs = words.iter().zip(translations).zip(back);
    Ok(pairs
        .filter(|((word, _), back)| is_same_word(back, word))
        .map(|((word, translation), _)| (word.clone(), translation))
        .collect())
}

/// Translates words as list items, and strips the list marks.
fn translate_words(
    translator: &dyn Translator,
    words: &[String],
    from: Language,
    to: Language,
) -> Result<Vec<String>, EngineError> {
    let items: Vec<String> = words.iter().map(|word| format!("1. {word}")).collect();
    let translations = translator.translate(&items, from, to)?;
    let bare = |text: &String| {
        let bare = text.trim_matches(|c: char| !c.is_alphabetic());
        let words: Vec<&str> = bare.split_whitespace().collect();
        words.join(" ").to_lowercase()
    };
    Ok(translations.iter().map(bare).collect())
}

/// Whether two words are equal except for inflection: one is the other with up to two more letters.
fn is_same_word(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let stem = short.chars().count() >= 4;
    a == b
        || stem
            && long
                .strip_prefix(short)
                .is_some_and(|rest| rest.chars().count() <= 2)
}
