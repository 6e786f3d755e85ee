//! `intl`: the international tokenizer of NIST's mteval-v14.pl.

use std::sync::LazyLock;

use regex::Regex;

use super::squeeze;

/// Punctuation apart unless between numbers, symbols always apart. As in the original, a period
/// that ends the line right after a number stays with it.
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
