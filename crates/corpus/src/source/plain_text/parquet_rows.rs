//! The rows of a Parquet file, of which only the columns with texts are read.

use std::path::Path;

use super::super::{SourceError, parquet};
use super::fields::{Fields, texts_of};
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
            remedy: fields.remedy(rows.columns()),
        });
    }
    Ok(Box::new(rows.map(move |row| {
        let (number, row) = row?;
        let value = |wanted: &String| row.get(wanted).cloned().unwrap_or_default();
        Ok((number, texts_of(&names, value)))
    })))
}
