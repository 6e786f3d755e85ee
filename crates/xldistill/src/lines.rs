//! Lines of text, for commands in pipes.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::mpsc,
};

use anyhow::{Context, Result, anyhow, bail};
use corpus::source::NumberedLine;

/// The lines of a UTF-8 file, without line ends.
pub fn of_file(path: &Path) -> Result<Vec<String>> {
    let lines = corpus::source::all_lines(path)?.into_iter();
    let text = |(number, line): NumberedLine| {
        line.map_err(|reason| anyhow!("{}: line {number}: {reason}", path.display()))
    };
    lines.map(text).collect()
}

/// The lines of standard input, without line ends.
pub fn of_standard_input() -> Result<Vec<String>> {
    read(std::io::stdin().lock(), "standard input").collect()
}

/// The lines of standard input as they come: an iterator over groups of one or more lines, each
/// all that have come since the last group was taken.
pub fn as_they_come() -> impl Iterator<Item = Result<Vec<String>>> {
    let (sender, receiver) = mpsc::channel();
    // The thread ends with the input, or with the first line that nobody takes.
    std::thread::spawn(move || {
        let mut lines = read(std::io::stdin().lock(), "standard input");
        lines.try_for_each(|line| sender.send(line))
    });
    std::iter::from_fn(move || {
        let first = receiver.recv().ok()?;
        Some(std::iter::once(first).chain(receiver.try_iter()).collect())
    })
}

fn read<'n>(source: impl Read + 'n, name: &'n str) -> impl Iterator<Item = Result<String>> + 'n {
    let lines = BufReader::new(source).split(b'\n').enumerate();
    lines.map(move |(number, line)| {
        let mut line = line.with_context(|| format!("cannot read {name}"))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match String::from_utf8(line) {
            Ok(line) => Ok(line),
            Err(error) => bail!(
                "{name}: line {}: byte {} is not UTF-8; convert the file, e.g. with iconv",
                number + 1,
                error.utf8_error().valid_up_to() + 1
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &[u8], name: &str) -> Result<Vec<String>> {
        super::read(source, name).collect()
    }

    #[test]
    fn line_ends_are_removed_and_the_last_line_needs_none() {
        assert_eq!(read(b"a\r\n\nb", "x").unwrap(), ["a", "", "b"]);
        assert_eq!(read(b"a\n", "x").unwrap(), ["a"]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        let error = read(b"good\nb\xffd\n", "in.txt").unwrap_err().to_string();
        assert!(error.starts_with("in.txt: line 2: byte 2"), "{error}");
    }
}
