//! The rows of a published file as objects: what a benchmark reads if its rows have no labels.

use std::path::Path;

use serde_json::{Map, Value};

use super::LabelledError;
use super::table::{Cells, Form, Table};
use crate::source::SourceError;

/// A row with its line, from 1 (in Parquet its number): an object of its columns, or the reason why
/// it cannot be read.
pub type Record = (u64, Result<Map<String, Value>, String>);

/// Reads `.jsonl`, `.json`, `.parquet`, `.csv` and `.tsv`, also with `.gz` at the end. Separated
/// files have a header; their cells are texts.
///
/// # Errors
/// A file that cannot be read, and one without rows.
pub fn records(path: &Path) -> Result<Vec<Record>, LabelledError> {
    let form = Form {
        is_header: &|_| true,
        headerless: &[],
        quoted: true,
    };
    let table = Table::read(path, &form)?;
    if table.rows.is_empty() {
        return Err(SourceError::Empty {
            path: path.to_owned(),
        }
        .into());
    }
    let header = table.header.unwrap_or_default();
    let record = |cells: Cells| match cells {
        Cells::Columns(cells) => {
            let cells = cells.into_iter().map(Value::from);
            header.iter().cloned().zip(cells).collect()
        }
        Cells::Object(Value::Object(row)) => row,
        Cells::Object(other) => Map::from_iter([("row".to_owned(), other)]),
    };
    let rows = table.rows.into_iter();
    let rows = rows.map(|(line, row)| (line, row.map(record).map_err(|broken| broken.detail)));
    Ok(rows.collect())
}
