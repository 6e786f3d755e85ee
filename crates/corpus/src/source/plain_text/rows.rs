//! The rows of a file, one at a time.

use std::io::{self, BufRead, Read};
use std::path::Path;

use super::super::kind::Kind;
use super::super::opened::{self, Reader, read_line};
use super::super::text::{LONGEST_ROW, lossy, too_long, utf8};
use super::super::{Broken, SourceError, delimited, json};
use super::fields::Fields;
use super::json_array::Elements;
use super::parquet_rows;

/// Number of a row's line or, in a Parquet file, of the row, and its texts.
pub(super) type Row = (u64, Result<Vec<String>, Broken>);

/// The rows of a file; reading ends with the first error.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, SourceError>> + Send>;

/// Opens the file at `path`.
pub(super) fn open(path: &Path, fields: &Fields) -> Result<Rows, SourceError> {
    let kind = Kind::of(path).unwrap_or(Kind::Lines);
    if kind == Kind::Parquet {
        return parquet_rows::open(path, fields);
    }
    let mut reader = opened::open(path)?;
    let fields = fields.clone();
    match kind {
        Kind::Json if starts_an_array(&mut reader).map_err(SourceError::io(path))? => {
            let owned = path.to_owned();
            Ok(Box::new(Elements::new(reader).map(move |element| {
                let (line, bytes) = element.map_err(SourceError::io(&owned))?;
                Ok((line, json::parse(&bytes).and_then(|row| fields.texts(row))))
            })))
        }
        Kind::Json | Kind::JsonLines => Ok(lines(reader, path, move |line| {
            match line.iter().all(u8::is_ascii_whitespace) {
                true => Ok(Vec::new()),
                false => json::parse(line).and_then(|row| fields.texts(row)),
            }
        })),
        Kind::Tabs => columns(reader, path, &fields),
        Kind::Commas => commas(path, fields),
        Kind::Lines | Kind::Parquet | Kind::Tmx => Ok(lines(reader, path, |line| {
            Ok(vec![utf8(line)?.trim().to_owned()])
        })),
    }
}

/// Whether the first character that is not white space opens an array. The white space is skipped.
fn starts_an_array(reader: &mut Reader) -> io::Result<bool> {
    loop {
        match reader.fill_buf()?.first() {
            Some(byte) if byte.is_ascii_whitespace() => reader.consume(1),
            first => return Ok(first == Some(&b'[')),
        }
    }
}

/// A row a line, numbered from 1.
fn lines(
    mut reader: Reader,
    path: &Path,
    texts: impl Fn(&[u8]) -> Result<Vec<String>, Broken> + Send + 'static,
) -> Rows {
    let path = path.to_owned();
    let mut line = Vec::new();
    Box::new((1..).map_while(move |number| {
        let length = match read_line(&mut reader, &mut line, LONGEST_ROW) {
            Ok(0) => return None,
            Ok(length) => length,
            Err(error) => return Some(Err(SourceError::io(&path)(error))),
        };
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let texts = match length > LONGEST_ROW {
            true => Err(too_long(length, LONGEST_ROW, lossy(line))),
            false => texts(line),
        };
        Some(Ok((number, texts)))
    }))
}

/// Columns of a CSV file below a line with their names.
fn commas(path: &Path, fields: Fields) -> Result<Rows, SourceError> {
    let text = super::super::Text::read(path)?;
    let rows = delimited::objects(&text, delimited::Dialect::csv(&text), path)?.into_iter();
    Ok(Box::new(rows.map(move |(line, row)| {
        Ok((line, row.and_then(|row| fields.texts(row))))
    })))
}

/// Tab-separated columns: fields are names in the first line or, if all are numbers, positions.
fn columns(mut reader: Reader, path: &Path, fields: &Fields) -> Result<Rows, SourceError> {
    let mut first = Vec::new();
    reader
        .read_until(b'\n', &mut first)
        .map_err(SourceError::io(path))?;
    let header: Vec<String> = cells(&String::from_utf8_lossy(&first))
        .map(str::to_owned)
        .collect();
    let position = |name: &String| name.parse::<usize>().ok()?.checked_sub(1);
    let numbered = match fields {
        Fields::Named(names) => names.iter().map(position).collect::<Option<Vec<usize>>>(),
        Fields::Usual | Fields::Text => None,
    };
    let (wanted, has_header) = match numbered {
        Some(positions) => (positions, false),
        None => {
            let names = fields.among(&header);
            let at = |name: &String| header.iter().position(|column| column == name);
            (names.iter().filter_map(at).collect(), true)
        }
    };
    if wanted.is_empty() {
        return Err(SourceError::NoColumn {
            path: path.to_owned(),
            wanted: fields.names(),
            columns: header.join(", "),
            remedy: fields.remedy(&header),
        });
    }
    let texts = move |line: &[u8]| {
        let cells: Vec<&str> = cells(utf8(line)?).collect();
        let missing = |at: &usize| Broken {
            reason: "no_text",
            detail: format!("the line has {} columns, not {}", cells.len(), at + 1),
            row: serde_json::Value::Null,
        };
        let text = |at: &usize| cells.get(*at).ok_or_else(|| missing(at));
        wanted
            .iter()
            .map(|at| Ok(text(at)?.trim().to_owned()))
            .collect()
    };
    match has_header {
        true => Ok(Box::new(lines(reader, path, texts).map(|row| {
            let (number, texts) = row?;
            Ok((number + 1, texts))
        }))),
        false => {
            let whole: Reader = Box::new(io::Cursor::new(first).chain(reader));
            Ok(lines(whole, path, texts))
        }
    }
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches(['\n', '\r']).split('\t')
}
