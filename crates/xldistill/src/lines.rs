//! Lines of text, for commands in pipes.

use std::{
    io::{self, BufRead, BufReader, Read, StdinLock},
    path::Path,
    sync::mpsc,
};

use anyhow::{Context, Result, anyhow};
use corpus::source::NumberedLine;

/// The lines of a UTF-8 file, without line ends.
pub fn of_file(path: &Path) -> Result<Vec<String>> {
    let lines = corpus::source::all_lines(path)?.into_iter();
    let text = |(number, line): NumberedLine| {
        line.map_err(|reason| anyhow!("{}: line {number}: {reason}", path.display()))
    };
    lines.map(text).collect()
}

/// Bytes of standard input that are read at once, if as many have come.
const BUFFER: usize = 1 << 20;

/// A reader of lines: whatever reads standard input reads it through this.
pub struct LineReader<R> {
    reader: BufReader<R>,
    begun: bool,
}

impl LineReader<StdinLock<'static>> {
    /// Standard input.
    pub fn of_standard_input() -> Self {
        Self::new(io::stdin().lock())
    }
}

impl<R: Read> LineReader<R> {
    /// The lines of `source`.
    pub fn new(source: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, source),
            begun: false,
        }
    }

    /// Reads the next line into `line`, without its line end and without the byte-order mark that
    /// programs on Windows write before the first; returns whether there is one.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let is_first = !std::mem::replace(&mut self.begun, true);
        if self.reader.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            line.pop();
        }
        let mark = "\u{FEFF}".as_bytes();
        if is_first && line.starts_with(mark) {
            line.drain(..mark.len());
        }
        Ok(true)
    }

    /// Whether a whole line has come already, for which [`LineReader::next`] need not wait.
    pub fn has_come(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }
}

/// The lines of standard input, without line ends.
pub fn of_standard_input() -> Result<Vec<String>> {
    texts(LineReader::of_standard_input()).collect()
}

/// The lines of standard input as they come: an iterator over groups of one or more lines, each
/// all that have come since the last group was taken.
pub fn as_they_come() -> impl Iterator<Item = Result<Vec<String>>> {
    let (sender, receiver) = mpsc::channel();
    // The thread ends with the input, or with the first line that nobody takes.
    std::thread::spawn(move || {
        let mut lines = texts(LineReader::of_standard_input());
        lines.try_for_each(|line| sender.send(line))
    });
    std::iter::from_fn(move || {
        let first = receiver.recv().ok()?;
        Some(std::iter::once(first).chain(receiver.try_iter()).collect())
    })
}

/// The lines of standard input as text.
fn texts(mut lines: LineReader<impl Read>) -> impl Iterator<Item = Result<String>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        number += 1;
        text(&mut lines, number).transpose()
    })
}

/// The next line of standard input, its `number`th, as text.
pub fn text(lines: &mut LineReader<impl Read>, number: usize) -> Result<Option<String>> {
    let mut line = Vec::new();
    if !lines
        .next(&mut line)
        .context("cannot read standard input")?
    {
        return Ok(None);
    }
    let text = String::from_utf8(line).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() + 1;
        anyhow!(
            "standard input: line {number}: byte {byte} is not UTF-8; convert the file, e.g. with iconv"
        )
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &[u8]) -> Result<Vec<String>> {
        texts(LineReader::new(source)).collect()
    }

    #[test]
    fn line_ends_are_removed_and_the_last_line_needs_none() {
        assert_eq!(read(b"a\r\n\nb").unwrap(), ["a", "", "b"]);
        assert_eq!(read(b"a\n").unwrap(), ["a"]);
        assert_eq!(read(b"").unwrap(), [""; 0]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let marked = "\u{FEFF}a\r\n\u{FEFF}b\n";
        assert_eq!(read(marked.as_bytes()).unwrap(), ["a", "\u{FEFF}b"]);
        assert_eq!(read("\u{FEFF}".as_bytes()).unwrap(), [""]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        let error = read(b"good\nb\xffd\n").unwrap_err().to_string();
        assert!(
            error.starts_with("standard input: line 2: byte 2"),
            "{error}"
        );
    }
}
