//! The task templates of the paper's Table 1, word for word, in the language named.

use crate::language::Language;

/// The question of a translation task (mt).
pub fn translation(sentence: &str, from: Language, to: Language) -> String {
    let (from, to) = (from.everyday_name(), to.everyday_name());
    format!("Translate the following sentence from {from} to {to}.\n{sentence}")
}

/// The question of a completion task (comp).
pub fn completion(beginning: &str, language: Language) -> String {
    let language = language.everyday_name();
    format!("Complete the following sentence in {language} according to its context.\n{beginning}")
}
