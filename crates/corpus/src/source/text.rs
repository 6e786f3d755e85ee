//! Text files: their lines, and whether they can be used.

use std::path::Path;

use serde_json::Value;

use super::kind::check_lines;
use super::mojibake;
use super::opened::{open, read_all};
use super::{Broken, SourceError, judge};
use crate::rejected::Rejected;

/// Maximum size of a file that is read as a whole, unpacked.
const LARGEST_FILE: u64 = 4 << 30;
/// Maximum size of a row, in bytes.
pub(crate) const LONGEST_ROW: usize = 16 << 20;
/// Maximum size of one text of a row, in bytes: more than any model reads at once. Longer ones cost
/// the stages hundreds of times their size.
pub(crate) const LONGEST_TEXT: usize = 1 << 20;
/// Characters of a faulty row that are shown.
const SHOWN: usize = 2000;

/// The content of a text file, without its byte order mark.
pub(crate) struct Text(Vec<u8>);

impl Text {
    /// Reads the file at `path`, decompressed if it is a gzip file.
    pub(crate) fn read(path: &Path) -> Result<Text, SourceError> {
        Ok(Text(read_all(path, open(path)?, LARGEST_FILE)?))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// All lines, blank ones included, numbered from 1; without the empty one after the last line
    /// break.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let text = self.0.strip_suffix(b"\n").unwrap_or(&self.0);
        (1..).zip(text.split(|&byte| byte == b'\n'))
    }

    /// The lines that are not blank.
    pub(crate) fn full_lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.lines()
            .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
    }
}

/// A row or cell as text.
///
/// # Errors
/// Reason `not_utf8`, or `too_long` above [`LONGEST_ROW`].
pub(crate) fn utf8(line: &[u8]) -> Result<&str, Broken> {
    if line.len() > LONGEST_ROW {
        return Err(too_long(line.len(), LONGEST_ROW, lossy(line)));
    }
    std::str::from_utf8(line).map_err(|error| Broken {
        reason: "not_utf8",
        detail: format!(
            "byte {} of the line is not UTF-8; convert the file, e.g. with iconv -f WINDOWS-1252 -t UTF-8",
            error.valid_up_to() + 1
        ),
        row: lossy(line),
    })
}

/// A row or text of `bytes` bytes, of which at most `most` are read.
pub(super) fn too_long(bytes: usize, most: usize, row: Value) -> Broken {
    Broken {
        reason: "too_long",
        detail: format!("{bytes} bytes, more than {most}"),
        row,
    }
}

/// The fault of a text that decoding cannot show: its length, or letters that were decoded wrongly.
pub(super) fn text_fault(text: &str) -> Option<(&'static str, String)> {
    if text.len() > LONGEST_TEXT {
        let detail = format!("a text of {} bytes, more than {LONGEST_TEXT}", text.len());
        return Some(("too_long", detail));
    }
    let (found, meant) = mojibake::find(text)?;
    let detail = format!(
        "{found:?} stands for {meant:?}: the text was written as UTF-8 and read as Windows-1252; \
         repair it, e.g. with ftfy"
    );
    Some(("wrong_encoding", detail))
}

/// As [`text_fault`]; and a sentence has letters and no control characters.
pub(super) fn sentence_fault(text: &str) -> Option<(&'static str, String)> {
    let control = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if let Some(control) = text.chars().find(control) {
        let detail = format!("the control character {control:?}: not text, or in another encoding");
        return Some(("control_character", detail));
    }
    if !text.chars().any(char::is_alphabetic) {
        return Some(("no_letters", format!("{text:?} has no letter")));
    }
    text_fault(text)
}

/// A row that cannot be used, as a rejected row shows it.
pub(crate) fn lossy(line: &[u8]) -> Value {
    let line = &line[..line.len().min(4 * SHOWN)];
    let text = String::from_utf8_lossy(line);
    Value::String(shown(text.trim_end()))
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `row` with its texts shortened to what is shown of a faulty row.
pub(super) fn abridged(row: Value) -> Value {
    match row {
        Value::String(text) => Value::String(shown(&text)),
        Value::Array(items) => items.into_iter().take(SHOWN).map(abridged).collect(),
        Value::Object(map) => map
            .into_iter()
            .take(SHOWN)
            .map(|(key, value)| (key, abridged(value)))
            .collect(),
        other => other,
    }
}

/// A line with its number, from 1: its text without the line end, or the reason that it has none.
pub type NumberedLine = (u64, Result<String, String>);

/// All lines of the file at `path`, blank ones included; decompressed if it is a gzip file.
///
/// # Errors
/// If the file cannot be read or is UTF-16.
pub fn all_lines(path: &Path) -> Result<Vec<NumberedLine>, SourceError> {
    let text = Text::read(path)?;
    let line = |line: &[u8]| match utf8(line.strip_suffix(b"\r").unwrap_or(line)) {
        Ok(line) => Ok(line.to_owned()),
        Err(broken) => Err(broken.detail),
    };
    let lines = match text.bytes().is_empty() {
        true => Vec::new(),
        false => text
            .lines()
            .map(|(number, bytes)| (number, line(bytes)))
            .collect(),
    };
    Ok(lines)
}

/// Lines of text in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedLines {
    /// The lines that are not blank, without white space around them.
    pub lines: Vec<String>,
    /// Lines that cannot be used, with file, line and reason.
    pub rejected: Vec<Rejected>,
}

/// Reads a file with a sentence or a passage a line.
///
/// # Errors
/// If the file cannot be read, is a table by its name, holds no line, or more than
/// `max_rejected_fraction` of its lines cannot be used.
pub fn lines(path: &Path, max_rejected_fraction: f64) -> Result<LoadedLines, SourceError> {
    check_lines(path)?;
    let text = Text::read(path)?;
    let mut loaded = LoadedLines::default();
    for (number, line) in text.full_lines() {
        match sentence(line) {
            Ok(line) => loaded.lines.push(line.to_owned()),
            Err(broken) => loaded.rejected.push(broken.at(path, number)),
        }
    }
    judge(
        path,
        &loaded.rejected,
        loaded.lines.len(),
        max_rejected_fraction,
    )?;
    if loaded.lines.is_empty() {
        return Err(SourceError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(loaded)
}

fn sentence(line: &[u8]) -> Result<&str, Broken> {
    let text = utf8(line)?.trim();
    match sentence_fault(text) {
        None => Ok(text),
        Some((reason, detail)) => Err(Broken {
            reason,
            detail,
            row: lossy(line),
        }),
    }
}
