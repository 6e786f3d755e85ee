//! Translations in the wrong script.

use unicode_script::{Script, UnicodeScript};

use super::Rule;
use super::pair::Pair;
use crate::language::Language;

/// Number of letters below which the script says nothing.
const FEW: usize = 10;

/// Too few letters of the translation belong to the target language's script.
pub(super) struct WrongScript {
    /// Minimum share of such letters.
    pub(super) min_share: f64,
}

impl Rule for WrongScript {
    fn reason(&self) -> &'static str {
        "wrong_script"
    }

    fn key(&self) -> Option<&'static str> {
        Some("min_script_share")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let expected = scripts(pair.translation.language());
        let latin = expected.contains(&Script::Latin);
        let (mut letters, mut right) = (0usize, 0usize);
        for c in pair.translation.plain.chars().filter(|c| c.is_alphabetic()) {
            letters += 1;
            // Most letters are decided without the table.
            right += usize::from(match c {
                'A'..='Z' | 'a'..='z' | 'À'..='ɏ' => latin,
                _ => expected.contains(&c.script()),
            });
        }
        let wrong = letters >= FEW && (right as f64) < self.min_share * letters as f64;
        wrong.then(|| {
            let script = pair.translation.language().script();
            format!("{right} of {letters} letters are {script}")
        })
    }
}

/// The scripts in which a language is written; ISO 15924 has codes for combinations.
pub(super) fn scripts(language: Language) -> Vec<Script> {
    match language.script() {
        "Jpan" => vec![Script::Han, Script::Hiragana, Script::Katakana],
        "Hans" | "Hant" => vec![Script::Han],
        "Hang" | "Kore" => vec![Script::Hangul, Script::Han],
        code => Script::from_short_name(code).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_script() {
        for language in Language::all() {
            assert!(!scripts(language).is_empty(), "{language}");
        }
    }
}
