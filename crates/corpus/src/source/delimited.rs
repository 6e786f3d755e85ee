//! Text in columns, separated by tabs, commas or semicolons (RFC 4180), with the line of every row.

use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use serde_json::Value;

use super::text::{Text, lossy, utf8};
use super::{Broken, SourceError};

/// A row as an object, and the line on which it begins.
pub(super) type Object = (u64, Result<Value, Broken>);

/// The cells of a row.
pub(crate) type Row = Vec<Vec<u8>>;

/// A line that follows the text: if it becomes part of a cell, a quote was never closed.
const END: &[u8] = b"\n\x01end";

/// How the cells of a file are separated and quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    separator: u8,
    quoted: bool,
}

impl Dialect {
    /// Tabs. Unless `quoted`, a quote is a character like any other, as in GLUE's files.
    pub(crate) const fn tabs(quoted: bool) -> Self {
        Self {
            separator: b'\t',
            quoted,
        }
    }

    /// A CSV file's: commas or, if its first row is a single cell by commas and several by
    /// semicolons, those, which spreadsheets write where numbers have a decimal comma.
    pub(crate) fn csv(text: &Text) -> Self {
        let by = |separator| Self {
            separator,
            quoted: true,
        };
        let first_row = |dialect: Self| {
            let mut record = ByteRecord::new();
            let is_read = dialect.reader(text.bytes()).read_byte_record(&mut record);
            // What cannot be read is reported when the rows are.
            if is_read.unwrap_or(false) {
                record.len()
            } else {
                0
            }
        };
        match (first_row(by(b',')), first_row(by(b';'))) {
            (1, 2..) => by(b';'),
            _ => by(b','),
        }
    }

    /// A row as a line.
    pub(crate) fn line(self, row: &Row) -> Value {
        lossy(&row.join(&self.separator))
    }

    fn reader<R: Read>(self, bytes: R) -> Reader<R> {
        ReaderBuilder::new()
            .delimiter(self.separator)
            .quoting(self.quoted)
            .has_headers(false)
            .flexible(true)
            // A carriage return within a line is text.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(bytes)
    }
}

/// The rows of `text`: the line on which each begins, from 1, and its cells. Blank lines are passed
/// over.
///
/// Where cells may be quoted, one that begins with a quote lasts until the next single quote,
/// doubled quotes stand for one, and line breaks within belong to the cell.
///
/// # Errors
/// [`SourceError::OpenQuote`] if a quote is never closed, with the line of its row.
pub(crate) fn rows(
    text: &Text,
    dialect: Dialect,
    path: &Path,
) -> Result<Vec<(u64, Row)>, SourceError> {
    let mut reader = dialect.reader(text.bytes().chain(END));
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    loop {
        let more = reader.read_byte_record(&mut record);
        let more = more.map_err(|error| SourceError::io(path)(error.into()))?;
        if !more || record.get(0) == Some(&END[1..]) {
            return Ok(rows);
        }
        let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n');
        let begins = reader
            .position()
            .line()
            .saturating_sub(1 + breaks.count() as u64);
        let mut cells: Row = record.iter().map(<[u8]>::to_vec).collect();
        if record.as_slice().ends_with(END) {
            return Err(SourceError::OpenQuote {
                path: path.to_owned(),
                // No line break ends the row, unlike those that were counted.
                line: begins + 1,
            });
        }
        if let Some(last) = cells.last_mut()
            && last.last() == Some(&b'\r')
        {
            last.pop();
        }
        let is_blank = cells.len() == 1 && cells[0].iter().all(u8::is_ascii_whitespace);
        if !is_blank {
            rows.push((begins, cells));
        }
    }
}

/// The rows of a CSV file.
///
/// # Errors
/// As [`rows`].
pub(crate) fn csv_rows(text: &Text, path: &Path) -> Result<Vec<(u64, Row)>, SourceError> {
    rows(text, Dialect::csv(text), path)
}

/// The rows of `text` below its first, which names their columns, as objects.
///
/// # Errors
/// As [`rows`].
pub(super) fn objects(
    text: &Text,
    dialect: Dialect,
    path: &Path,
) -> Result<Vec<Object>, SourceError> {
    let mut rows = rows(text, dialect, path)?.into_iter();
    let cells = |cells: &Row| -> Result<Vec<String>, Broken> {
        cells
            .iter()
            .map(|cell| utf8(cell).map(str::to_owned))
            .collect()
    };
    let Some((_, header)) = rows.next() else {
        return Ok(Vec::new());
    };
    let header = cells(&header).map_err(|_| SourceError::NotUtf8 {
        path: path.to_owned(),
        line: 1,
    })?;
    let object = |row: Row| match cells(&row)? {
        cells if cells.len() == header.len() => {
            let entries = header
                .iter()
                .cloned()
                .zip(cells.into_iter().map(Value::from));
            Ok(Value::Object(entries.collect()))
        }
        cells => Err(Broken {
            reason: "wrong_columns",
            detail: format!("{} columns instead of {}", cells.len(), header.len()),
            row: dialect.line(&row),
        }),
    };
    Ok(rows.map(|(line, row)| (line, object(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAS: Dialect = Dialect {
        separator: b',',
        quoted: true,
    };

    fn text(content: &str) -> (tempfile::TempDir, Text) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, content).unwrap();
        let text = Text::read(&path).unwrap();
        (folder, text)
    }

    fn read(content: &str, dialect: Dialect) -> Vec<(u64, Vec<String>)> {
        let rows = rows(&text(content).1, dialect, Path::new("file")).unwrap();
        let cell = |cell| String::from_utf8(cell).unwrap();
        rows.into_iter()
            .map(|(line, cells)| (line, cells.into_iter().map(cell).collect()))
            .collect()
    }

    #[test]
    fn a_file_by_semicolons_is_known_by_its_first_row() {
        let of = |content| Dialect::csv(&text(content).1).separator as char;
        assert_eq!(of("question;answer\na, b;c\n"), ';');
        assert_eq!(of("\n\"a, b\";\"c\"\n"), ';');
        assert_eq!(of("question,answer\na;b,c\n"), ',');
        assert_eq!(of("text, with; both\n"), ',');
        assert_eq!(of("\"one;cell\"\n"), ',');
        assert_eq!(of("text\na;b\n"), ',');
        assert_eq!(of(""), ',');
    }

    #[test]
    fn quoted_cells_keep_separators_quotes_and_line_breaks() {
        let text = "a,\"b, \"\"c\"\"\"\r\n\n\"two\nlines\",\r\nlast, 5\" wide";
        let expected = [
            (1, vec!["a", "b, \"c\""]),
            (3, vec!["two\nlines", ""]),
            (5, vec!["last", " 5\" wide"]),
        ];
        let expected =
            expected.map(|(line, cells)| (line, cells.iter().map(|c| c.to_string()).collect()));
        assert_eq!(read(text, COMMAS), expected);
        assert_eq!(read("a,\"b\"\r\n", COMMAS)[0].1, ["a", "b"]);
    }

    #[test]
    fn without_quoting_a_quote_is_text() {
        let expected = vec![(1, vec!["\"So".to_owned(), "it\" goes".to_owned()])];
        assert_eq!(read("\"So\tit\" goes\n", Dialect::tabs(false)), expected);
        assert_eq!(read("a\rb\tc\n", Dialect::tabs(false))[0].1, ["a\rb", "c"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_with_its_line() {
        let text = text("a,b\n\"c,d\ne,f\n").1;
        let error = rows(&text, COMMAS, Path::new("x.csv")).unwrap_err();
        assert!(error.to_string().starts_with("x.csv:2: "), "{error}");
    }
}
