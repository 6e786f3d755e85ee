//! A dictionary made by translating words: for language pairs that have none.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::BilingualDictionary;
use crate::language::Language;
use crate::seam::{EngineError, Translator};
use crate::text::words::WordFinder;

/// The words of `texts` in lower case, most frequent first, at most `most` of them.
///
/// Words that always begin with a capital are left out: most are names.
pub fn vocabulary<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    language: Language,
    most: usize,
) -> Vec<String> {
    let finder = WordFinder::new(language);
    // Occurrences, and whether one was in lower case.
    let mut counts: FxHashMap<String, (usize, bool)> = FxHashMap::default();
    for text in texts {
        for word in finder.words(text) {
            let word = &text[word];
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
/// `backward`; returns the pairs whose translation leads back to the word.
///
/// Translation models are trained on sentences and make up context for a bare word (`word` became
/// `a palavra`, `good` became `Bom, bom serviço`); as an item of a list it is translated as it is.
/// The way back finds what was made up nevertheless.
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

/// The dictionary of these [`pairs`] in both directions.
pub fn induce(
    forward: &dyn Translator,
    backward: &dyn Translator,
    words: &[String],
    from: Language,
    to: Language,
) -> Result<BilingualDictionary, EngineError> {
    let pairs = pairs(forward, backward, words, from, to)?;
    Ok(BilingualDictionary::from_pairs(&pairs))
}

/// Translates words as items of a list, and strips what makes them one.
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

/// Equal but for inflection: one word is the other with up to two letters more.
fn is_same_word(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let stem = short.chars().count() >= 4;
    a == b
        || stem
            && long
                .strip_prefix(short)
                .is_some_and(|rest| rest.chars().count() <= 2)
}
