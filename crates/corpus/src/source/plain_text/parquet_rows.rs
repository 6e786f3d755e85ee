//! The rows of a Parquet file, of which only the columns with texts are read.

use std::path::Path;

use serde_json::Value;

use super::super::{Broken, SourceError, parquet};
use super::fields::Fields;
use super::rows::Rows;

/// The texts of each row, in order.
///
/// # Errors
/// [`SourceError::NoColumn`] if no column has a text.
pub(super) fn open(path: &Path, fields: &Fields) -> Result<Rows, SourceError> {
    let rows = parquet::open(path, &|name| fields.may_be(name))?;
    let names = fields.among(rows.columns());
    if names.is_empty() {
        return Err(SourceError::NoColumn {
            path: path.to_owned(),
            wanted: fields.names(),
            columns: rows.columns().join(", "),
            key: "`fields`",
        });
    }
    Ok(Box::new(rows.map(move |row| {
        let (number, row) = row?;
        let text = |wanted: &String| row.get(wanted).and_then(Value::as_str).map(str::to_owned);
        let texts: Vec<String> = names.iter().filter_map(text).collect();
        Ok((
            number,
            match texts.is_empty() {
                true => Err(Broken {
                    reason: "no_text",
                    detail: format!("the row has no text in {}", names.join(", ")),
                    row: Value::Null,
                }),
                false => Ok(texts),
            },
        ))
    })))
}
