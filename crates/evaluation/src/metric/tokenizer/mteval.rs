//! `13a`: the tokenizer of NIST's mteval-v13a.pl.

use std::sync::LazyLock;

use regex::Regex;

use super::squeeze;

/// Splits off punctuation; period and comma unless between digits; a dash after a digit.
static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"([\{-~\[-` -&\(-\+:-@/])", " ${1} "),
        (r"([^0-9])([\.,])", "${1} ${2} "),
        (r"([\.,])([^0-9])", " ${1} ${2}"),
        (r"([0-9])(-)", "${1} ${2} "),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("a valid pattern"), replacement))
});

/// Tokenizes a line, unescaping the four SGML entities of the original.
pub(super) fn tokenize(line: &str) -> String {
    let mut line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if line.contains('&') {
        for (entity, character) in [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ] {
            line = line.replace(entity, character);
        }
    }
    split_punctuation(&format!(" {line} "))
}

/// The language-dependent rules, also used by `zh`.
pub(super) fn split_punctuation(line: &str) -> String {
    let mut line = std::borrow::Cow::Borrowed(line);
    for (pattern, replacement) in RULES.iter() {
        if let std::borrow::Cow::Owned(replaced) = pattern.replace_all(&line, *replacement) {
            line = replaced.into();
        }
    }
    squeeze(&line)
}
