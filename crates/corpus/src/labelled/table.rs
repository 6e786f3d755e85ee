//! A file of rows with named columns, whatever its kind.

use std::path::Path;

use serde_json::Value;

use super::LabelledError;
use crate::source::kind::Kind;
use crate::source::{Broken, SourceError, Text, delimited, json, parquet, utf8};

/// The rows of a file.
pub struct Table {
    /// Names of the columns, of tab- and comma-separated files.
    pub header: Option<Vec<String>>,
    /// The rows with their lines, from 1; in Parquet their numbers.
    pub rows: Vec<(u64, Result<Cells, Broken>)>,
}

/// One row.
pub enum Cells {
    /// The cells of a separated file.
    Columns(Vec<String>),
    /// An object.
    Object(Value),
}

/// The form of separated files.
pub struct Form<'a> {
    /// Whether a first row is a header.
    pub is_header: &'a dyn Fn(&[String]) -> bool,
    /// Columns of files without a header.
    pub headerless: &'a [&'a [&'a str]],
    /// Whether cells of tab-separated files may be in quotes.
    pub quoted: bool,
}

impl Table {
    /// Reads the file at `path`: `.jsonl`, `.json` and `.parquet` by their kind, `.csv` separated
    /// by commas, everything else by tabs; `.gz` after any of these is unpacked.
    pub fn read(path: &Path, form: &Form) -> Result<Table, LabelledError> {
        match Kind::of(path) {
            Some(Kind::Parquet) => {
                let rows = parquet::open(path, &|_| true)?;
                let rows =
                    rows.map(|row| row.map(|(number, row)| (number, Ok(Cells::Object(row)))));
                Ok(Table {
                    header: None,
                    rows: rows.collect::<Result<Vec<_>, _>>()?,
                })
            }
            Some(Kind::Json | Kind::JsonLines) => {
                let text = Text::read(path)?;
                let rows = json::rows(&text, path)?;
                let rows = rows.parsed().map(|(line, row)| {
                    let row = row.and_then(|row| match row.is_object() {
                        true => Ok(Cells::Object(row)),
                        false => Err(Broken {
                            reason: "not_an_object",
                            detail: "the line is no JSON object".to_owned(),
                            row,
                        }),
                    });
                    (line, row)
                });
                Ok(Table {
                    header: None,
                    rows: rows.collect(),
                })
            }
            kind => {
                let text = Text::read(path)?;
                let dialect = match kind {
                    Some(Kind::Commas) => delimited::Dialect::csv(&text),
                    _ => delimited::Dialect::tabs(form.quoted),
                };
                let rows = delimited::rows(&text, dialect, path)?;
                Table::separated(path, dialect, rows, form)
            }
        }
    }

    fn separated(
        path: &Path,
        dialect: delimited::Dialect,
        rows: Vec<(u64, delimited::Row)>,
        form: &Form,
    ) -> Result<Table, LabelledError> {
        let cells = |cells: &[Vec<u8>]| -> Result<Vec<String>, Broken> {
            let text = |cell: &Vec<u8>| Ok(utf8(cell)?.to_owned());
            cells.iter().map(text).collect()
        };
        let mut rows = rows.into_iter().peekable();
        let first = rows.peek().map(|(_, first)| cells(first)).transpose();
        let Some(first) = first.unwrap_or_default() else {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            }
            .into());
        };
        let header: Vec<String> = if (form.is_header)(&first) {
            rows.next();
            first
        } else {
            let width = first.len();
            let known = form.headerless.iter().find(|names| names.len() == width);
            let Some(names) = known else {
                return Err(LabelledError::Header {
                    path: path.to_owned(),
                    found: first.join(", "),
                });
            };
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let rows = rows.map(|(line, row)| {
            let whole = || dialect.line(&row);
            let parsed = match cells(&row) {
                Err(broken) => Err(Broken {
                    row: whole(),
                    ..broken
                }),
                Ok(cells) if cells.len() != header.len() => Err(Broken {
                    reason: "wrong_columns",
                    detail: format!("{} columns instead of {}", cells.len(), header.len()),
                    row: whole(),
                }),
                Ok(cells) => Ok(Cells::Columns(cells)),
            };
            (line, parsed)
        });
        let rows = rows.collect();
        let header = Some(header);
        Ok(Table { header, rows })
    }

    /// Names of the columns: of objects, the keys of the first.
    pub fn columns(&self) -> Vec<String> {
        if let Some(header) = &self.header {
            return header.clone();
        }
        let first = self.rows.iter().find_map(|(_, row)| match row {
            Ok(Cells::Object(Value::Object(map))) => Some(map.keys().cloned().collect()),
            _ => None,
        });
        first.unwrap_or_default()
    }
}

impl Cells {
    /// The cell in `column` as text; `None` if there is none or it holds null.
    pub fn get(&self, header: Option<&[String]>, column: &str) -> Option<String> {
        match self {
            Cells::Columns(cells) => {
                let at = header?.iter().position(|name| name == column)?;
                cells.get(at).cloned()
            }
            Cells::Object(value) => match value.get(column)? {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            },
        }
    }

    /// The row as a rejected row shows it.
    pub fn into_value(self) -> Value {
        match self {
            Cells::Columns(cells) => Value::from(cells),
            Cells::Object(value) => value,
        }
    }
}
