//! The lines of a text: which ones are kept unchanged, and where the words begin in the others.

use std::ops::Range;

/// One line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Byte range without the line break.
    pub range: Range<usize>,
    /// Kept unchanged: inside a fence, display formula or comment, or without a letter.
    pub verbatim: bool,
}

/// The lines of `text`. A line ends with `\n`, `\r\n`, `\r`, a vertical tab, a form feed or a
/// Unicode separator.
pub fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut block: Option<Block> = None;
    let mut start = 0;
    let mut push = |range: Range<usize>| {
        let line = &text[range.clone()];
        let trimmed = line.trim();
        let verbatim = match &block {
            Some(open) => {
                if open.closes(trimmed) {
                    block = None;
                }
                true
            }
            None => {
                block = Block::opened_by(trimmed);
                block.is_some() || !trimmed.contains(char::is_alphabetic)
            }
        };
        lines.push(Line { range, verbatim });
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match line_break_length(&bytes[at..]) {
            0 => at += 1,
            length => {
                push(start..at);
                at += length;
                start = at;
            }
        }
    }
    push(start..text.len());
    lines
}

/// Length of the line break at the beginning of `bytes`, or 0.
fn line_break_length(bytes: &[u8]) -> usize {
    match bytes {
        // `\n`, vertical tab, form feed, `\r`.
        [0xa..=0xd, ..] => 1,
        // U+0085.
        [0xc2, 0x85, ..] => 2,
        // U+2028 and U+2029.
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

/// A block of lines that is kept unchanged.
struct Block {
    end: String,
    end_is_whole_line: bool,
}

impl Block {
    /// The block that begins on `line` and does not end there.
    fn opened_by(line: &str) -> Option<Block> {
        for fence in ["```", "~~~"] {
            if let Some(info) = line.strip_prefix(fence) {
                // The closing fence is at least as long as the opening one.
                let mark = fence.chars().next()?;
                let length = fence.len() + info.chars().take_while(|&c| c == mark).count();
                let inline = info.trim_start_matches(mark).contains(fence);
                let end = mark.to_string().repeat(length);
                return (!inline).then_some(Block {
                    end,
                    end_is_whole_line: true,
                });
            }
        }
        for (open, end) in [
            ("$$", "$$"),
            ("\\[", "\\]"),
            ("<!--", "-->"),
            ("<script", "</script>"),
            ("<style", "</style>"),
        ] {
            if let Some(rest) = line.strip_prefix(open) {
                return (!rest.contains(end)).then(|| Block {
                    end: end.into(),
                    end_is_whole_line: false,
                });
            }
        }
        let environment = line.strip_prefix("\\begin{")?.split('}').next()?;
        let end = format!("\\end{{{environment}}}");
        (!line.contains(&end)).then_some(Block {
            end,
            end_is_whole_line: false,
        })
    }

    fn closes(&self, line: &str) -> bool {
        if self.end_is_whole_line {
            line.starts_with(&self.end) && line.chars().all(|c| self.end.starts_with(c))
        } else {
            line.contains(&self.end)
        }
    }
}

/// The parts of a line that contain words: without indentation and list, quote and heading marks;
/// split at table bars, tabs and gaps of three or more spaces.
pub fn cells(text: &str, line: &Line) -> Vec<Range<usize>> {
    let whole = &text[line.range.clone()];
    let body = line.range.start + marks(whole);
    let rest = &text[body..line.range.end];
    let bars = is_table_row(whole);
    let mut cells = Vec::new();
    let mut start = 0;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let gap = match bytes[at] {
            b'\t' => 1,
            b'|' if bars => 1,
            b' ' => {
                let spaces = bytes[at..].iter().take_while(|b| **b == b' ').count();
                if spaces >= 3 {
                    spaces
                } else {
                    at += spaces;
                    continue;
                }
            }
            _ => {
                at += 1;
                continue;
            }
        };
        push_cell(body + start..body + at, &mut cells);
        at += gap;
        start = at;
    }
    push_cell(body + start..line.range.end, &mut cells);
    cells
}

fn push_cell(cell: Range<usize>, cells: &mut Vec<Range<usize>>) {
    if !cell.is_empty() {
        cells.push(cell);
    }
}

fn is_table_row(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('|') || line.contains(" | ") || line.matches('|').count() >= 2
}

/// Number of bytes at the beginning of `line` that are indentation or list, quote, heading or
/// numbering marks, nested in any way: `> - [x] `, `## `, `12. `, `a) `.
fn marks(line: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &line[at..];
        at += rest.len() - rest.trim_start().len();
        match mark_length(&line[at..]) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Length of one mark including the space after it, or 0.
fn mark_length(text: &str) -> usize {
    let spaced = |length: usize| {
        let after = text[length..].chars().next();
        if length > 0 && after.is_none_or(char::is_whitespace) {
            length
        } else {
            0
        }
    };
    let Some(first) = text.chars().next() else {
        return 0;
    };
    match first {
        '-' | '*' | '+' | '•' | '‣' | '▪' | '●' | '○' | '–' | '—' | '·' | '→' | '✓' | '✔' => {
            spaced(first.len_utf8())
        }
        '>' => 1,
        '#' => spaced(text.chars().take_while(|&c| c == '#').count()),
        '[' => spaced(
            if ["[ ]", "[x]", "[X]"].iter().any(|m| text.starts_with(m)) {
                3
            } else {
                0
            },
        ),
        '(' => {
            let inner = text[1..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric())
                .count();
            let short = (1..=3).contains(&inner)
                && (inner == 1 || text[1..].starts_with(|c: char| c.is_ascii_digit()));
            if short && text[1 + inner..].starts_with(')') {
                spaced(inner + 2)
            } else {
                0
            }
        }
        '0'..='9' => {
            let digits = text.chars().take_while(char::is_ascii_digit).count();
            if digits <= 3 && text[digits..].starts_with(['.', ')', ':']) {
                spaced(digits + 1)
            } else {
                0
            }
        }
        // `A. Smith` cannot be distinguished from `A. An answer`; both are restored intact.
        'A'..='Z' | 'a'..='z' if text[1..].starts_with(['.', ')']) => spaced(2),
        _ => 0,
    }
}
