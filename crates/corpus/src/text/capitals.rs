//! Text in capitals, which translation models and language identifiers have hardly seen.

use crate::language::Language;

/// Number of letters from which words in capitals are a text rather than an abbreviation.
const LETTERS: usize = 10;
/// Number of letters of a single word that is not an abbreviation.
const WORD: usize = 6;

/// Whether the words in `parts` are all in capitals and more than abbreviations. Letters without
/// case do not count.
pub fn in_capitals<'t>(parts: impl IntoIterator<Item = &'t str>) -> bool {
    let (mut letters, mut longest) = (0, 0);
    for part in parts {
        let mut word = 0;
        for c in part.chars() {
            if c.is_lowercase() {
                return false;
            }
            word = if c.is_alphabetic() { word + 1 } else { 0 };
            letters += usize::from(c.is_uppercase());
            if c.is_uppercase() {
                longest = longest.max(word);
            }
        }
    }
    letters >= LETTERS || longest >= WORD
}

/// Whether most letters of `text` that have a case are capitals.
pub fn mostly_capitals(text: &str) -> bool {
    let (mut upper, mut lower) = (0usize, 0usize);
    for c in text.chars() {
        upper += usize::from(c.is_uppercase());
        lower += usize::from(c.is_lowercase());
    }
    upper > lower
}

/// `text` in small letters; in English, the pronoun `I` keeps its capital.
pub fn small(text: &str, language: Language) -> String {
    let mut small = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_alphabetic()) {
        let pronoun = word.strip_prefix('I');
        let pronoun = pronoun.is_some_and(|rest| !rest.contains(char::is_alphabetic));
        if pronoun && language == Language::ENGLISH {
            small.push_str(word);
        } else if has_dotless_i(language) {
            small.push_str(&word.replace('I', "ı").replace('İ', "i").to_lowercase());
        } else {
            small.push_str(&word.to_lowercase());
        }
    }
    small
}

/// `text` with a capital at its beginning.
pub fn capitalised(text: &str, language: Language) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => capitals(&first.to_string(), language) + characters.as_str(),
        None => String::new(),
    }
}

/// `text` in capitals.
pub fn capitals(text: &str, language: Language) -> String {
    match has_dotless_i(language) {
        true => text.replace('i', "İ").to_uppercase(),
        false => text.to_uppercase(),
    }
}

/// Turkish and its neighbours pair i with İ and ı with I.
fn has_dotless_i(language: Language) -> bool {
    ["tur_Latn", "azj_Latn", "crh_Latn", "tat_Latn"].contains(&language.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_capitals_is_told_from_abbreviations() {
        for text in [
            "DO NOT TOUCH.",
            "CAUTION!",
            "ОСТОРОЖНО",
            "READ ME: 12 RULES APPLY",
        ] {
            assert!(in_capitals([text]), "{text}");
        }
        for text in [
            "NASA",
            "HTTP GET",
            "UN, EU",
            "Do not touch this machine",
            "1984",
            "猫が好きです",
            "",
        ] {
            assert!(!in_capitals([text]), "{text}");
        }
        assert!(mostly_capitals("THE MUSEUM IS OPEN (from 9 am)"));
        assert!(!mostly_capitals("The BBC and NATO met in Paris"));
    }

    #[test]
    fn case_follows_the_language() {
        let english = Language::ENGLISH;
        assert_eq!(
            small("WHAT I SAID, I'M SURE", english),
            "what I said, I'm sure"
        );
        assert_eq!(small("I.E. NOW", english), "I.e. now");
        assert_eq!(small("O QUE I", Language::PORTUGUESE), "o que i");
        let turkish = Language::parse("tur_Latn").expect("a language");
        assert_eq!(small("ISIK VE İNCİR", turkish), "ısık ve incir");
        assert_eq!(capitals("incir ısı", turkish), "İNCİR ISI");
        assert_eq!(capitals("não", Language::PORTUGUESE), "NÃO");
        assert_eq!(capitalised("éa b", Language::PORTUGUESE), "Éa b");
    }
}
