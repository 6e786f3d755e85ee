//! Texts whose language no identifier can tell: answers such as `1969`, `Paris` or `Albert
//! Einstein`, which filters would reject for no reason if the identifier guessed. Text in capitals,
//! which identifiers take for another language, is read in small letters.

use std::borrow::Cow;

use corpus::text::capitals;
use unicode_script::{Script, UnicodeScript};

/// Number of letters below which languages that share a script cannot be told apart.
const FEW_LETTERS: usize = 25;
/// Number of letters below which not even the script determines the language.
const FEW_LETTERS_OF_OWN_SCRIPT: usize = 3;
/// Maximum number of capitalised words that are taken for a name.
const MANY_NAMES: usize = 6;

/// Maximum number of bytes of a text that are read: CLD3's own limit.
pub(crate) const MAX_BYTES: usize = 10_000;

/// The beginning of a long text, which tells its language as well as the whole.
pub(crate) fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

/// The beginning of a text as an identifier reads it.
pub(crate) fn readable(text: &str) -> Cow<'_, str> {
    let text = beginning(text);
    match capitals::mostly_capitals(text) {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// The rule as part of an engine's identity.
pub(crate) const RULE: &str = "letters>=25 no names, capitals as small letters";

/// Whether `text` is too short, mostly numbers, or only names.
pub(crate) fn is_too_little(text: &str) -> bool {
    let text = beginning(text);
    let mut letters = 0;
    let mut shared = 0;
    for letter in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        shared += usize::from(is_shared(letter.script()));
    }
    let few = match shared * 2 > letters {
        true => FEW_LETTERS,
        false => FEW_LETTERS_OF_OWN_SCRIPT,
    };
    letters < few || is_names(text)
}

/// Scripts used by many languages. Han belongs to Chinese alone unless there is kana.
fn is_shared(script: Script) -> bool {
    matches!(
        script,
        Script::Latin
            | Script::Cyrillic
            | Script::Arabic
            | Script::Devanagari
            | Script::Bengali
            | Script::Hebrew
            | Script::Ethiopic
            | Script::Tibetan
            | Script::Common
            | Script::Inherited
            | Script::Unknown
    )
}

/// Every word is capitalised, as in a name; sentences contain other words.
fn is_names(text: &str) -> bool {
    let mut words = text
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()))
        .peekable();
    words.peek().is_some()
        && words.clone().all(|c| c.is_uppercase() || c.is_numeric())
        && words.count() <= MANY_NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_without_a_language_are_too_little() {
        for text in [
            "",
            "1969",
            "42 + 1 = 43",
            "Paris",
            "Albert Einstein",
            "Johann Wolfgang von Goethe",
            "Sir Arthur Ignatius Conan Doyle 1859",
            "http://a.b/c",
            "\0",
            "ab",
            "ก",
        ] {
            assert!(is_too_little(text), "{text:?}");
        }
    }

    #[test]
    fn sentences_are_enough() {
        for text in [
            "The cat sat on the mat and slept.",
            "O gato dormiu em cima do tapete.",
            "Кошка спала на старом ковре у двери",
            "猫が好きです",
            "แมวนอนหลับ",
            "Η γάτα",
            "LEIA ESTE AVISO COM TODA A SUA ATENÇÃO ANTES DE ENTRAR",
        ] {
            assert!(!is_too_little(text), "{text:?}");
        }
    }
}
