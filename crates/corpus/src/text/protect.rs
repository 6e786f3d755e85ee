//! Spans within a line that translation must not change.
//!
//! There are two kinds. A *mark* ([`Kind::is_mark`]: tags, emphasis) surrounds words to translate,
//! so the sentence is split there. Everything else stands for a word and passes through the
//! translator as a placeholder ([`super::segment::Sentence::masked`]).

use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::Input;
use regex_automata::meta::Regex;

/// Kind of a protected span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Inline code: `` `x = 1` ``.
    Code,
    /// Web address.
    Url,
    /// E-mail address.
    Email,
    /// Inline LaTeX: `$x^2$`, `\(x\)`, `\[x\]`.
    Latex,
    /// HTML or XML tag, comment or entity.
    Html,
    /// Template placeholder: `{name}`, `%s`, `%(name)s`, `${name}`, `[MASK]`.
    Placeholder,
    /// A gap to fill in: `____`.
    Blank,
    /// `@handle` or `#hashtag`.
    Handle,
    /// File path.
    Path,
    /// Program identifier or call: `snake_case`, `std::fs`, `len(x)`.
    Identifier,
    /// Part of a formula, with operators or letters that translators drop: `x^2`, `πr²`.
    Formula,
    /// Number with internal structure: version, IP address, telephone number.
    Number,
    /// Emoji and other pictographs.
    Pictograph,
    /// A run of 40 or more letters and digits without a space: hash, Base64, sequence.
    LongToken,
    /// A word that contains digits: password, part number, `H2O`.
    MixedToken,
    /// Control characters and replacement characters.
    Control,
    /// Markdown emphasis or link syntax around words: `**`, `_`, `[`, `](url)`.
    Markdown,
}

impl Kind {
    /// Whether the span surrounds or separates words instead of standing for one.
    pub fn is_mark(self) -> bool {
        matches!(self, Kind::Html | Kind::Markdown | Kind::Control)
    }
}

/// A protected span of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Byte range.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: Kind,
}

/// One pattern per row; if two match at the same place, the upper one wins.
const PATTERNS: &[(Kind, &str)] = &[
    (
        Kind::Control,
        r"[\x00-\x08\x0b-\x1f\x7f\u{80}-\u{9f}\u{fffd}\u{feff}]+",
    ),
    (Kind::Code, r"``[^\n]+?``|`[^`\n]+`"),
    (
        Kind::Markdown,
        r"!?\[[^\[\]\n]*\]\([^()\s]+(?:\s+\x22[^\x22\n]*\x22)?\)",
    ),
    (
        Kind::Url,
        r"(?i-u:\b(?:https?|ftp)://|\bwww\.)[^\s<>\x22`]+",
    ),
    (
        Kind::Email,
        r"(?-u:\b)[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    ),
    (
        Kind::Url,
        r"(?-u:\b)(?:[A-Za-z0-9-]+\.)+(?:com|org|net|edu|gov|io|dev)(?-u:\b)(?:/[^\s<>\x22`]*)?",
    ),
    (
        Kind::Latex,
        r"\$\$[^$\n]+\$\$|\$[^$\n]+\$|\\\([^\n]+?\\\)|\\\[[^\n]+?\\\]|\\[a-zA-Z]+(?:\{[^{}\n]*\})+",
    ),
    (
        Kind::Html,
        r"<!--[^\n]*?-->|</?[A-Za-z][A-Za-z0-9:-]*(?:\s[^<>\n]{0,400})?/?>|&(?:#[0-9]+|#x[0-9a-fA-F]+|[A-Za-z]{2,8});",
    ),
    (
        Kind::Placeholder,
        r"\{\{[^{}\n]{1,60}\}\}|\$?\{[^{}\n]{0,60}\}|%\([A-Za-z_]+\)[sdif]|%(?:[0-9]+\$)?[sdif](?-u:\b)|\[[A-Z_]{2,}\]|<[a-z][a-z _-]{0,40}>",
    ),
    (Kind::Identifier, r"__[A-Za-z0-9]+__"),
    (Kind::Blank, r"_{2,}|\.{4,}"),
    (
        Kind::Path,
        r"(?:~|\.{1,2})?/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+/?|(?-u:\b)[A-Z]:\\[^\s\x22]+",
    ),
    (Kind::Handle, r"[@#][A-Za-z_][A-Za-z0-9_]+"),
    (Kind::LongToken, r"[A-Za-z0-9+/=_-]{40,}"),
    (
        Kind::MixedToken,
        r"(?-u:\b)(?:[A-Za-z]+[0-9]+[A-Za-z][A-Za-z0-9]*|[0-9]+[A-Za-z]+[0-9][A-Za-z0-9]*)(?-u:\b)",
    ),
    (
        Kind::Identifier,
        r"(?-u:\b)[A-Za-z][A-Za-z0-9_]*(?:(?:::|->)[A-Za-z0-9_]+)+(?:\([^()\s]*\))?",
    ),
    (
        Kind::Identifier,
        r"(?-u:\b)[A-Za-z][A-Za-z0-9_]*_[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*(?:\([^()\n]{0,60}\))?",
    ),
    (
        Kind::Identifier,
        r"(?-u:\b)[A-Za-z][A-Za-z0-9.]*\([^()\n]{0,60}\)",
    ),
    (
        Kind::Identifier,
        r"(?-u:\b)[a-z]+\.[a-z]+[A-Z][A-Za-z0-9_]*",
    ),
    (
        Kind::Formula,
        r"[A-Za-z0-9()+*/.-]*(?:\^|[²³¹⁰-ₜ∀-⋿√πθλμσαβγδεΔΣΩ])[A-Za-z0-9²³¹⁰-ₜ∀-⋿√πθλμσαβγδεΔΣΩ^()+*/={}-]*",
    ),
    (
        Kind::Number,
        r"(?-u:\b)[0-9]+(?:\.[0-9]+){2,}(?-u:\b)|\+?[0-9]*[ -]?\([0-9]{2,4}\) ?[0-9]{3,4}[ -][0-9]{3,4}|(?-u:\b)[0-9]{3}-[0-9]{3,4}-[0-9]{4}(?-u:\b)",
    ),
    (
        Kind::Pictograph,
        r"(?:[\p{Extended_Pictographic}--[©®™‼⁉↔-↪]][\u{fe0f}\u{200d}\u{1f3fb}-\u{1f3ff}]*)+",
    ),
    (Kind::Markdown, r"\*{1,3}|~~|_{1,2}"),
];

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let patterns: Vec<&str> = PATTERNS.iter().map(|(_, pattern)| *pattern).collect();
    Regex::new_many(&patterns).expect("the patterns are constants")
});

/// The protected spans of `line`, in order and without overlap. `line` contains no line break.
pub fn protected(line: &str) -> Vec<Protected> {
    let mut spans = Vec::new();
    if !needs_scan(line) {
        return spans;
    }
    let mut at = 0;
    while let Some(found) = PATTERN.find(Input::new(line).span(at..line.len())) {
        let kind = PATTERNS[found.pattern().as_usize()].0;
        let range = found.range();
        let before = spans.len();
        accept(line, kind, range.clone(), &mut spans);
        at = match spans.get(before) {
            Some(first) => first.range.end,
            None => next_start(line, range.start),
        };
    }
    spans.sort_by_key(|span| span.range.start);
    // A closing mark may have been found a second time inside a later span.
    let mut end = 0;
    spans.retain(|span| {
        let apart = span.range.start >= end;
        if apart {
            end = span.range.end;
        }
        apart
    });
    spans
}

/// Whether a line contains anything that a pattern could begin with; most lines do not.
fn needs_scan(line: &str) -> bool {
    let bytes = line.as_bytes();
    let mut word_start = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let next = bytes.get(i + 1).copied().unwrap_or(b' ');
        let found = match byte {
            b' ' => {
                word_start = i;
                false
            }
            b'`' | b'@' | b'$' | b'\\' | b'<' | b'&' | b'{' | b'%' | b'[' | b'_' | b'/' | b'#'
            | b'^' | b'*' | b'~' => true,
            b'.' => next == b'.' || next.is_ascii_alphanumeric(),
            b':' => next == b':',
            b'-' => next == b'>' || next.is_ascii_digit(),
            b'0'..=b'9' if next.is_ascii_alphabetic() => {
                bytes[word_start..i].iter().any(u8::is_ascii_alphabetic)
            }
            b'A'..=b'Z' | b'a'..=b'z' if next.is_ascii_digit() => {
                bytes[word_start..i].iter().any(u8::is_ascii_digit)
            }
            b'(' => i > 0 && bytes[i - 1] != b' ' || next.is_ascii_digit(),
            0..=0x1f => byte != b'\t',
            // Lead bytes of the control characters, symbols, Greek letters and pictographs in the
            // patterns.
            0x7f | 0xc2 | 0xce | 0xcf | 0xef | 0xf0 => true,
            0xe2 => next != 0x80,
            _ => i - word_start >= LONG_TOKEN,
        };
        if found {
            return true;
        }
    }
    false
}

/// Length from which a run without spaces is not a word.
const LONG_TOKEN: usize = 40;

/// Whether a cut at `at` would split one of `spans` (sorted, without overlap).
pub(super) fn cuts_through(spans: &[Range<usize>], at: usize) -> bool {
    let next = spans.partition_point(|span| span.end <= at);
    spans.get(next).is_some_and(|span| span.start < at)
}

fn next_start(line: &str, start: usize) -> usize {
    start + line[start..].chars().next().map_or(1, char::len_utf8)
}

/// Checks what a pattern cannot express and pushes the span, or two spans for a mark that opens and
/// closes.
fn accept(line: &str, kind: Kind, range: Range<usize>, spans: &mut Vec<Protected>) {
    let text = &line[range.clone()];
    let before = line[..range.start].chars().next_back();
    let after = line[range.end..].chars().next();
    let mut push = |range| spans.push(Protected { range, kind });
    match kind {
        Kind::Url => {
            let trimmed = trim_url(text);
            if trimmed.len() > "www.".len() {
                push(range.start..range.start + trimmed.len());
            }
        }
        Kind::Latex if text.starts_with('$') && !is_formula(text, after) => {}
        Kind::Html if text.starts_with('<') || before != Some('&') => push(range),
        Kind::Html => {}
        Kind::Placeholder
            if text.starts_with('%') && before.is_some_and(|c| c.is_ascii_digit()) => {}
        Kind::Path if touches_word(before) || before == Some('/') => {}
        Kind::Handle if touches_word(before) => {}
        Kind::LongToken if !text.bytes().any(|b| b.is_ascii_alphanumeric()) => {}
        Kind::Identifier if !is_program_text(text) => {}
        Kind::Blank if text.len() < 3 && (touches_word(before) || touches_word(after)) => {}
        Kind::Number if is_grouped_number(text) => {}
        Kind::Formula => {
            let trimmed = text.trim_end_matches(['.', ')', '-']);
            let balanced = if text.matches('(').count() >= text.matches(')').count() {
                text.trim_end_matches(['.', '-'])
            } else {
                trimmed
            };
            let opened = balanced.trim_start_matches(['(', '.', '-']);
            if opened
                .chars()
                .any(|c| !c.is_ascii_punctuation() || c == '^')
                && opened.len() > 1
            {
                let start = range.start + (balanced.len() - opened.len());
                push(start..range.start + balanced.len());
            }
        }
        Kind::Markdown if text.ends_with(')') => {
            // A link or image: its words are translated, its address is not.
            let open = usize::from(text.starts_with('!')) + 1;
            let close = text.find("](").unwrap_or(open);
            push(range.start..range.start + open);
            push(range.start + close..range.end);
        }
        Kind::Markdown => {
            if let Some(close) = closing_mark(line, &range, before) {
                push(range);
                push(close);
            }
        }
        _ => push(range),
    }
}

/// The address without surrounding punctuation.
fn trim_url(text: &str) -> &str {
    let mut url = text;
    loop {
        let trimmed = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '"', '…']);
        let trimmed = match trimmed.strip_suffix([')', ']', '}']) {
            Some(shorter) if trimmed.matches('(').count() < trimmed.matches(')').count() => shorter,
            Some(shorter) if trimmed.ends_with([']', '}']) => shorter,
            _ => trimmed,
        };
        if trimmed.len() == url.len() {
            return url;
        }
        url = trimmed;
    }
}

/// Whether `$…$` is a formula rather than two amounts of money: Pandoc's rule (no space inside the
/// signs, no digit after them), and something that amounts of money do not contain.
fn is_formula(text: &str, after: Option<char>) -> bool {
    let inner = text.trim_matches('$');
    let touches = !inner.starts_with(' ') && !inner.ends_with(' ');
    let words = inner
        .split_whitespace()
        .filter(|w| w.chars().all(char::is_alphabetic) && w.len() > 2);
    touches
        && !after.is_some_and(|c| c.is_ascii_digit())
        && (inner.contains(['\\', '^', '_', '{', '=']) || inner.chars().count() == 1)
        && words.count() < 3
}

fn touches_word(neighbour: Option<char>) -> bool {
    neighbour.is_some_and(char::is_alphanumeric)
}

/// Whether a name, with its parentheses if any, belongs to a program rather than to a sentence:
/// `len(x)`, `print("Hi")` and `os.path()` do, `item(s)` and `Paris(France)` do not.
fn is_program_text(text: &str) -> bool {
    let Some((name, inside)) = text.split_once('(') else {
        return true;
    };
    let inside = inside.trim_end_matches(')');
    let written_as_code = name.contains(['_', '.', ':', '>'])
        || name.chars().skip(1).any(char::is_uppercase) && name.chars().any(char::is_lowercase);
    let argument = inside.is_empty()
        || inside.contains(['=', '"', '\'', '[', '.', ','])
        || inside.len() == 1 && inside != "s" && inside != "a" && inside != "o"
        || inside.bytes().all(|b| b.is_ascii_digit());
    written_as_code || argument && !inside.contains(", ") || inside.contains(['=', '"'])
}

/// `1.000.000` is an amount, whose format depends on the language.
fn is_grouped_number(text: &str) -> bool {
    let mut groups = text.split('.');
    let first = groups.next().is_some_and(|g| g.len() <= 3);
    first && text.contains('.') && groups.all(|g| g.len() == 3)
}

/// The mark that closes the emphasis opened by `open`, if `open` opens one.
fn closing_mark(line: &str, open: &Range<usize>, before: Option<char>) -> Option<Range<usize>> {
    let mark = &line[open.clone()];
    let inside = &line[open.end..];
    let opens = !touches_word(before)
        && inside.starts_with(|c: char| !c.is_whitespace() && !mark.contains(c));
    if !opens {
        return None;
    }
    let first = mark.chars().next()?;
    for (offset, _) in inside.match_indices(mark) {
        let close = open.end + offset..open.end + offset + mark.len();
        let previous = line[..close.start].chars().next_back()?;
        let next = line[close.end..].chars().next();
        if previous == first || next == Some(first) {
            continue;
        }
        if !previous.is_whitespace() && !touches_word(next) {
            return Some(close);
        }
    }
    None
}
