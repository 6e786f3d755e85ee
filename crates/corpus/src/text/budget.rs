//! Splits overlong sentences at clause boundaries, before a translator loses track of them.

use std::ops::Range;

use super::protect::cuts_through;

/// Maximum number of source pieces (subword tokens) given to a translator at once.
///
/// NLLB degrades from about 200 pieces; the Firefox student models were trained with a window of
/// 128 (`max-length-break`). The estimate is rough, so the default stays below both.
pub const DEFAULT_PIECES: usize = 110;

/// Four times the estimated number of subword pieces of `text`.
fn quarter_pieces(text: &str) -> usize {
    text.chars().map(quarters).sum()
}

/// Quarters of a piece: one piece per four ASCII letters, per two other letters, per ideograph, per
/// digit and per punctuation mark.
///
/// Measured on FLORES with the English-Portuguese Firefox vocabulary: 4.4 characters per piece,
/// including white space.
fn quarters(c: char) -> usize {
    match c {
        'a'..='z' | 'A'..='Z' => 1,
        c if c.is_whitespace() => 0,
        '\0'..='\u{7f}' => 4,
        // Ideographs, kana and hangul.
        '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'.. => 4,
        _ => 2,
    }
}

/// Splits `range` of `line` into parts of at most `pieces` estimated pieces: after `;`, `:` or a
/// dash if possible, otherwise after a comma, otherwise between words, otherwise between any two
/// characters; never inside a `closed` range (sorted) unless that range alone exceeds the budget.
/// Parts have no white space around them.
pub fn split(
    line: &str,
    range: Range<usize>,
    pieces: usize,
    closed: &[Range<usize>],
) -> Vec<Range<usize>> {
    // A byte is at most one piece, so short sentences need not be counted.
    if range.len() <= pieces || quarter_pieces(&line[range.clone()]) <= 4 * pieces {
        return vec![range];
    }
    let mut parts = Vec::new();
    let mut start = range.start;
    while let Some(cut) = first_cut(line, start..range.end, pieces.max(1), closed) {
        parts.push(trim(line, start..cut));
        start = trim(line, cut..range.end).start;
    }
    parts.push(trim(line, start..range.end));
    parts.retain(|part| !part.is_empty());
    parts
}

/// End of the first part of `range`; `None` if all of it fits the budget.
fn first_cut(
    line: &str,
    range: Range<usize>,
    pieces: usize,
    closed: &[Range<usize>],
) -> Option<usize> {
    // The best cut of each strength (clause, comma, space, character) so far.
    let mut cuts = [None; 4];
    let mut used = 0;
    let mut chars = line[range.clone()].char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        used += quarters(c);
        if used > 4 * pieces && offset > 0 {
            // A strong boundary in the first quarter would leave a fragment; a weaker one is
            // better.
            let early = range.start + offset / 4;
            return cuts
                .iter()
                .flatten()
                .copied()
                .find(|&cut| cut > early)
                .or(cuts[3])
                .or(Some(range.start + offset));
        }
        let end = range.start + offset + c.len_utf8();
        if cuts_through(closed, end) {
            continue;
        }
        let spaced = chars.peek().is_some_and(|(_, next)| next.is_whitespace());
        match c {
            ';' | ':' | '—' | '–' if spaced => cuts[0] = Some(end),
            '；' | '：' | '。' | '！' | '？' | '।' => cuts[0] = Some(end),
            ',' | ')' if spaced => cuts[1] = Some(end),
            '，' | '、' | '،' => cuts[1] = Some(end),
            c if c.is_whitespace() => cuts[2] = Some(end),
            _ => {}
        }
        cuts[3] = Some(end);
    }
    None
}

fn trim(line: &str, range: Range<usize>) -> Range<usize> {
    let text = &line[range.clone()];
    let start = range.end - text.trim_start().len();
    start..start + text.trim().len()
}
