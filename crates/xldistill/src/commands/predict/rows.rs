//! The rows of standard input, as many at a time as have arrived.

use std::io::{self, Read};

use corpus::labelled::LabelledInput;
use models::TextInput;
use serde::Deserialize;
use serde_json::Value;
use training::text_input;

use crate::lines::LineReader;

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A text.
    Texts,
    /// Two texts with a tab between them.
    Pairs,
    /// A JSON object.
    Json,
}

/// A line of the input.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// The text or texts, or what is wrong with the line.
    pub input: Result<Input, String>,
    /// Its `id`.
    pub id: Option<Value>,
    /// Its `language`.
    pub language: Option<String>,
}

/// The text or texts of a row.
#[derive(Debug, PartialEq)]
pub struct Input(LabelledInput);

impl Input {
    /// As models read it.
    pub fn as_input(&self) -> TextInput<'_> {
        text_input(&self.0)
    }
}

/// Reads rows.
pub struct Rows<R> {
    lines: LineReader<R>,
    layout: Layout,
}

impl<R: Read> Rows<R> {
    /// Rows of `lines`.
    pub fn new(lines: LineReader<R>, layout: Layout) -> Self {
        Self { lines, layout }
    }

    /// The next rows, at most `limit`: waits for the first and takes those that have arrived with
    /// it. `None` at the end.
    pub fn next(&mut self, limit: usize) -> io::Result<Option<Vec<Row>>> {
        let mut rows = Vec::new();
        let mut line = Vec::new();
        while rows.len() < limit && (rows.is_empty() || self.lines.has_come()) {
            if !self.lines.next(&mut line)? {
                break;
            }
            rows.push(row(&line, self.layout));
        }
        Ok((!rows.is_empty()).then_some(rows))
    }
}

fn row(line: &[u8], layout: Layout) -> Row {
    let plain = |input| Row {
        input,
        id: None,
        language: None,
    };
    let Ok(line) = std::str::from_utf8(line) else {
        return plain(Err("the line is not UTF-8".into()));
    };
    let mut row = match layout {
        Layout::Texts => plain(Ok(LabelledInput::Single { text: line.into() }.into())),
        Layout::Pairs => plain(pair(line)),
        Layout::Json => json(line),
    };
    let is_empty = |input: &Input| {
        let LabelledInput::Choices { choices, .. } = &input.0 else {
            return input.0.texts().iter().all(|text| text.trim().is_empty());
        };
        choices.is_empty()
    };
    if row.input.as_ref().is_ok_and(is_empty) {
        row.input = Err("the text is empty".into());
    }
    row
}

/// The two texts of a line. A third column may well be the label that is to be predicted, as in
/// XNLI's files, so it is no part of the second text.
fn pair(line: &str) -> Result<Input, String> {
    let columns: Vec<&str> = line.split('\t').collect();
    match columns[..] {
        [first, second] => Ok(LabelledInput::Pair {
            first: first.into(),
            second: second.into(),
        }
        .into()),
        [_] => Err("the line has no tab between two texts".into()),
        _ => Err(format!("{} columns, expected 2", columns.len())),
    }
}

fn json(line: &str) -> Row {
    #[derive(Deserialize)]
    struct Object {
        id: Option<Value>,
        language: Option<String>,
        #[serde(flatten)]
        input: Value,
    }
    match serde_json::from_str::<Object>(line) {
        Ok(object) => Row {
            input: match serde_json::from_value::<LabelledInput>(object.input) {
                Ok(input) => Ok(input.into()),
                Err(_) => Err(
                    "the object has neither text, nor first and second, nor passage, question and \
                     choices"
                        .into(),
                ),
            },
            id: object.id,
            language: object.language,
        },
        Err(error) => Row {
            input: Err(format!("not a JSON object: {error}")),
            id: None,
            language: None,
        },
    }
}

impl From<LabelledInput> for Input {
    fn from(input: LabelledInput) -> Self {
        Self(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], layout: Layout) -> Vec<Row> {
        let mut rows = Rows::new(LineReader::new(text), layout);
        let mut found = Vec::new();
        while let Some(more) = rows.next(2).unwrap() {
            assert!(more.len() <= 2);
            found.extend(more);
        }
        found
    }

    #[test]
    fn every_line_becomes_a_row() {
        let found = rows(b"\xef\xbb\xbfone\r\n\ntwo\n\xff\nthree", Layout::Texts);
        assert_eq!(found.len(), 5);
        let texts: Vec<Option<&str>> = found
            .iter()
            .map(|row| match row.input.as_ref().ok()?.as_input() {
                TextInput::Single(text) => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(texts, [Some("one"), None, Some("two"), None, Some("three")]);
        assert_eq!(found[1].input, Err("the text is empty".into()));
    }

    #[test]
    fn a_pair_is_two_columns() {
        let found = rows(b"a\tb\nc\na\tb\tneutral\na\tb\t\n", Layout::Pairs);
        let first = found[0].input.as_ref().unwrap();
        assert_eq!(first.as_input(), TextInput::Pair("a", "b"));
        assert!(found[1].input.as_ref().unwrap_err().contains("tab"));
        for more in &found[2..] {
            assert_eq!(more.input, Err("3 columns, expected 2".into()));
        }
    }

    #[test]
    fn an_object_may_name_its_language_and_id() {
        let text = br#"{"id": 7, "language": "pt", "first": "a", "second": "b"}
{"passage": "p", "question": "q", "choices": ["a", "b"], "id": "x"}
{"other": 1}
[]
"#;
        let found = rows(text, Layout::Json);
        assert_eq!(found[0].id, Some(7.into()));
        assert_eq!(found[0].language.as_deref(), Some("pt"));
        assert!(matches!(
            found[1].input.as_ref().unwrap().as_input(),
            TextInput::Choices { choices, .. } if choices.len() == 2
        ));
        assert!(found[2].input.as_ref().unwrap_err().contains("neither"));
        assert!(found[3].input.is_err());
    }
}
