//! The elements of a JSON array, one at a time.

use std::io::{self, BufRead};

use super::super::text::LONGEST_ROW;

/// Reads the elements of an array as unparsed JSON, each with the line on which it begins.
pub(super) struct Elements<R> {
    reader: R,
    /// Line of the next byte, from 1.
    line: u64,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Elements<R> {
    /// The elements of the array that `reader` begins with, after white space.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            line: 1,
            begun: false,
            ended: false,
        }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.fill_buf()?.first().copied();
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// The next element.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the array does not end.
    fn element(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let (mut element, mut first_line) = (Vec::new(), self.line);
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        loop {
            let Some(byte) = self.byte()? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            if !self.begun {
                self.begun = byte == b'[';
                continue;
            }
            let ends = !in_string && depth == 0 && matches!(byte, b',' | b']');
            if ends {
                self.ended = byte == b']';
                let is_element = !(self.ended && element.is_empty());
                return Ok(is_element.then_some((first_line, element)));
            }
            if element.is_empty() {
                if byte.is_ascii_whitespace() {
                    continue;
                }
                first_line = self.line;
            }
            // One byte past the bound tells that the element is too long.
            if element.len() <= LONGEST_ROW {
                element.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = io::Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let element = self.element();
        self.ended |= element.is_err();
        element.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<io::Result<(u64, String)>> {
        let elements = Elements::new(text.as_bytes());
        let text = |(line, bytes)| (line, String::from_utf8(bytes).unwrap());
        elements.map(|element| element.map(text)).collect()
    }

    #[test]
    fn elements_end_at_commas_outside_of_them() {
        let array = " [\n{\"a\": \"],\\\"}\"},\n[1, 2] , \"x\"\n]\n";
        let found: Vec<_> = elements(array).into_iter().map(Result::unwrap).collect();
        let expected = [(2, "{\"a\": \"],\\\"}\"}"), (3, "[1, 2] "), (3, "\"x\"\n")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
        assert!(elements("[]").is_empty() && elements("[ \n ]").is_empty());
    }

    #[test]
    fn an_array_that_breaks_off_is_an_error() {
        let found = elements("[1, {\"a\": 2");
        assert_eq!(found[0].as_ref().unwrap().1, "1");
        assert!(found[1].is_err() && found.len() == 2);
    }
}
