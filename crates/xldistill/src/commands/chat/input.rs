//! What the user types, line by line.

use std::io::{IsTerminal, StdinLock};

use anyhow::Result;

use crate::lines::{self, LineReader};

/// Begins and ends a text of several lines.
const FENCE: &str = "\"\"\"";

/// Standard input. On a terminal, the terminal itself edits the line.
pub struct Input {
    lines: LineReader<StdinLock<'static>>,
    /// Number of lines asked for.
    number: usize,
    is_terminal: bool,
}

impl Input {
    /// Standard input.
    pub fn open() -> Self {
        Self {
            lines: LineReader::of_standard_input(),
            number: 0,
            is_terminal: std::io::stdin().is_terminal(),
        }
    }

    /// Whether somebody types.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The next text, which may have several lines; `None` at the end.
    pub fn next(&mut self) -> Result<Option<String>> {
        let mut text = Text::default();
        loop {
            if self.is_terminal {
                eprint!("{}", if text.is_empty() { "> " } else { ". " });
            }
            self.number += 1;
            let Some(line) = lines::text(&mut self.lines, self.number)? else {
                if self.is_terminal {
                    eprintln!();
                }
                return Ok(text.rest());
            };
            if let Some(whole) = text.add(&line) {
                return Ok(Some(whole));
            }
        }
    }
}

/// A text of which more lines may come.
#[derive(Default)]
struct Text {
    lines: Vec<String>,
    fenced: bool,
}

impl Text {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && !self.fenced
    }

    /// Adds a line; returns the text if it is whole.
    fn add(&mut self, line: &str) -> Option<String> {
        if self.fenced {
            let Some(last) = line.strip_suffix(FENCE) else {
                self.lines.push(line.to_owned());
                return None;
            };
            self.lines
                .extend((!last.is_empty()).then(|| last.to_owned()));
            self.fenced = false;
            return self.rest().or(Some(String::new()));
        }
        if let Some(first) = line.strip_prefix(FENCE).filter(|_| self.lines.is_empty()) {
            if let Some(only) = first.strip_suffix(FENCE) {
                return Some(only.to_owned());
            }
            self.fenced = true;
            self.lines
                .extend((!first.is_empty()).then(|| first.to_owned()));
            return None;
        }
        match line.strip_suffix('\\') {
            Some(line) => {
                self.lines.push(line.to_owned());
                None
            }
            None => {
                self.lines.push(line.to_owned());
                self.rest()
            }
        }
    }

    /// The lines so far, if there are any.
    fn rest(&mut self) -> Option<String> {
        let lines = std::mem::take(&mut self.lines);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[&str]) -> Vec<String> {
        let mut text = Text::default();
        lines.iter().filter_map(|line| text.add(line)).collect()
    }

    #[test]
    fn lines_are_joined_by_backslashes_and_fences() {
        assert_eq!(texts(&["a", "b"]), ["a", "b"]);
        assert_eq!(texts(&["a\\", "b\\", "c", "d"]), ["a\nb\nc", "d"]);
        assert_eq!(
            texts(&["\"\"\"a", "", "b\\", "\"\"\"", "c"]),
            ["a\n\nb\\", "c"]
        );
        assert_eq!(texts(&["\"\"\"a\"\"\"", "\"\"\"", "b\"\"\""]), ["a", "b"]);
    }
}
