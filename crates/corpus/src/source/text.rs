//! Text files: their lines, and whether they are UTF-8.

use std::path::Path;

use serde_json::Value;

use super::{Broken, SourceError};
use crate::rejected::Rejected;

/// The content of a text file, without its byte order mark.
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn read(path: &Path) -> Result<Text, SourceError> {
        Text::of(path, std::fs::read(path).map_err(SourceError::io(path))?)
    }

    /// The content of the file at `path`, already in memory.
    pub(crate) fn of(path: &Path, mut bytes: Vec<u8>) -> Result<Text, SourceError> {
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(SourceError::Utf16 {
                path: path.to_owned(),
            });
        }
        if bytes.starts_with("\u{FEFF}".as_bytes()) {
            bytes.drain(..3);
        }
        Ok(Text(bytes))
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

/// A line as text.
pub(crate) fn utf8(line: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(line).map_err(|error| Broken {
        reason: "not_utf8",
        detail: format!("byte {} of the line is not UTF-8", error.valid_up_to() + 1),
        row: lossy(line),
    })
}

/// A line that cannot be used, as a rejected row shows it.
pub(crate) fn lossy(line: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(line).trim_end().to_owned())
}

/// Lines of text in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedLines {
    /// The lines that are not blank, without white space around them.
    pub lines: Vec<String>,
    /// Lines that are not UTF-8, with file and line.
    pub rejected: Vec<Rejected>,
}

/// Reads a file with a sentence or a passage a line.
pub fn lines(path: &Path) -> Result<LoadedLines, SourceError> {
    let text = Text::read(path)?;
    let mut loaded = LoadedLines::default();
    for (number, line) in text.full_lines() {
        match utf8(line) {
            Ok(line) => loaded.lines.push(line.trim().to_owned()),
            Err(broken) => loaded.rejected.push(broken.at(path, number)),
        }
    }
    if loaded.lines.is_empty() {
        return Err(SourceError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(loaded)
}
