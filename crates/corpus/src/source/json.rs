//! JSON arrays and JSON lines, with the line of every row.

use std::borrow::Cow;
use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::exchange::Exchange;
use super::format::Layout;
use super::text::{Text, lossy, utf8};
use super::{Broken, SourceError};
use crate::plain_words::json_fault;

/// The rows of the file at `path`: elements of an array if it is one, lines otherwise.
pub(crate) fn rows<'t>(text: &'t Text, path: &Path) -> Result<JsonRows<'t>, SourceError> {
    let first = text.bytes().iter().find(|byte| !byte.is_ascii_whitespace());
    let rows = if first == Some(&b'[') && path.extension().is_some_and(|e| e == "json") {
        elements(text.bytes(), path)?
    } else {
        let lines = text.full_lines();
        lines
            .map(|(number, line)| (number, Cow::Borrowed(line)))
            .collect()
    };
    Ok(JsonRows(rows))
}

/// Unparsed JSON and the line it starts on.
type Row<'t> = (u64, Cow<'t, [u8]>);

/// The unparsed rows of a file.
pub(crate) struct JsonRows<'t>(Vec<Row<'t>>);

impl JsonRows<'_> {
    /// The first rows that are objects.
    pub fn first(&self, count: usize) -> Vec<Value> {
        let rows = self.0.iter().filter_map(|(_, bytes)| parse(bytes).ok());
        rows.filter(Value::is_object).take(count).collect()
    }

    /// Every row with its line, in order.
    pub fn parsed(&self) -> impl Iterator<Item = (u64, Result<Value, Broken>)> {
        self.0.iter().map(|(line, bytes)| (*line, parse(bytes)))
    }

    /// The exchange of every row with its line, in order.
    pub(super) fn exchanges(self, layout: &Layout) -> Vec<(u64, Result<Exchange, Broken>)> {
        let rows = self.0.into_par_iter().with_min_len(256);
        rows.map(|(line, bytes)| {
            (
                line,
                parse(&bytes).and_then(|row| Exchange::of(row, layout)),
            )
        })
        .collect()
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Broken> {
    let text = utf8(bytes)?;
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(value) = without_nan(text).and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(value);
    }
    Err(Broken {
        reason: "malformed_json",
        detail: format!("column {}: {}", error.column(), json_fault(&error)),
        row: lossy(bytes),
    })
}

/// `text` with `null` in place of `NaN` and `Infinity`, which Python's writers put into JSON; `None`
/// if there are none outside of strings.
fn without_nan(text: &str) -> Option<String> {
    let mut replaced = String::new();
    let (mut copied, mut at) = (0, 0);
    let mut in_string = false;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let names = ["NaN", "Infinity", "-Infinity", "-NaN"];
                if let Some(name) = names.iter().find(|name| text[at..].starts_with(**name)) {
                    replaced.push_str(&text[copied..at]);
                    replaced.push_str("null");
                    at += name.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (copied > 0).then(|| replaced + &text[copied..])
}

/// The elements of an array.
fn elements<'t>(bytes: &'t [u8], path: &Path) -> Result<Vec<Row<'t>>, SourceError> {
    let text = String::from_utf8_lossy(bytes);
    let is_utf8 = matches!(text, Cow::Borrowed(_));
    let error = match serde_json::from_str(&text) {
        Ok(elements) => return Ok(numbered(bytes, &text, is_utf8, elements)),
        Err(error) => error,
    };
    let Some(repaired) = without_nan(&text) else {
        return Err(SourceError::json(path, 0)(error));
    };
    let elements = serde_json::from_str(&repaired).map_err(SourceError::json(path, 0))?;
    let rows = numbered(repaired.as_bytes(), &repaired, is_utf8, elements);
    Ok(rows
        .into_iter()
        .map(|(line, row)| (line, Cow::Owned(row.into_owned())))
        .collect())
}

/// The elements of the array `text` with the lines on which they begin. It equals `bytes` if it
/// `is_utf8`, and has U+FFFD for what is not UTF-8 otherwise.
fn numbered<'t>(
    bytes: &'t [u8],
    text: &str,
    is_utf8: bool,
    elements: Vec<&RawValue>,
) -> Vec<Row<'t>> {
    let mut rows = Vec::with_capacity(elements.len());
    let (mut line, mut counted) = (1, 0);
    for element in elements {
        let element = element.get();
        let start = element.as_ptr() as usize - text.as_ptr() as usize;
        let newlines = text.as_bytes()[counted..start]
            .iter()
            .filter(|&&byte| byte == b'\n');
        line += newlines.count() as u64;
        counted = start;
        let row = match is_utf8 {
            true => Cow::Borrowed(&bytes[start..start + element.len()]),
            // U+FFFD marks a place that is not UTF-8: an invalid byte in its stead tells `parse`.
            false => Cow::Owned(match element.split_once('\u{FFFD}') {
                Some((before, after)) => [before.as_bytes(), &[0xFF], after.as_bytes()].concat(),
                None => element.as_bytes().to_vec(),
            }),
        };
        rows.push((line, row));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_null() {
        let row = parse(br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"}"#).unwrap();
        let expected = serde_json::json!({"a": null, "b": [null, null], "c": "NaN \" NaN"});
        assert_eq!(row, expected);
        assert_eq!(without_nan(r#"{"c": "NaN", "d": -1}"#), None);
        assert_eq!(parse(b"{\"a\": Nan}").unwrap_err().reason, "malformed_json");
    }
}
