//! `intl`: the international tokenizer of NIST's mteval-v14.pl.

use std::sync::LazyLock;

use regex::Regex;

use super::squeeze;

/// Splits off punctuation unless it is between numbers, and symbols always. As in the original, a
/// period at the end of the line stays with a number right before it.
static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    [
        (r"(\P{N})(\p{P})", "${1} ${2} "),
        (r"(\p{P})(\P{N})", " ${1} ${2}"),
        (r"(\p{S})", " ${1} "),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("a valid pattern"), replacement))
});

/// Tokenizes a line.
pub(super) fn tokenize(line: &str) -> String {
    let mut line = std::borrow::Cow::Borrowed(line);
    for (pattern, replacement) in RULES.iter() {
        if let std::borrow::Cow::Owned(replaced) = pattern.replace_all(&line, *replacement) {
            line = replaced.into();
        }
    }
    squeeze(&line)
}
