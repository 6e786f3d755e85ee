//! The rows of a Parquet file, of which only the columns with texts are read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::record::reader::RowIter;
use ::parquet::schema::types::Type;

use super::super::{Broken, SourceError};
use super::fields::Fields;
use super::rows::Rows;

/// The texts of each row, in order.
///
/// # Errors
/// [`SourceError::NoColumn`] if no column has a text.
pub(super) fn open(path: &Path, fields: &Fields) -> Result<Rows, SourceError> {
    let failed = {
        let path = path.to_owned();
        move |error: ParquetError| SourceError::Parquet {
            path: path.clone(),
            message: error.to_string(),
        }
    };
    let file = File::open(path).map_err(SourceError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(&failed)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<String> = schema
        .get_fields()
        .iter()
        .map(|f| f.name().to_owned())
        .collect();
    let names = fields.among(&columns);
    if names.is_empty() {
        return Err(SourceError::NoColumn {
            path: path.to_owned(),
            wanted: fields.names(),
            columns: columns.join(", "),
        });
    }
    let read = schema
        .get_fields()
        .iter()
        .filter(|f| names.iter().any(|name| name == f.name()));
    let read: Vec<Arc<Type>> = read.cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(read);
    let projection = projection.build().map_err(&failed)?;
    let rows = RowIter::from_file_into(Box::new(reader));
    let rows = rows.project(Some(projection)).map_err(&failed)?;
    Ok(Box::new((1..).zip(rows).map(move |(number, row)| {
        let row = row.map_err(&failed)?;
        let text = |wanted: &String| -> Option<String> {
            let (_, field) = row.get_column_iter().find(|(name, _)| *name == wanted)?;
            match field {
                Field::Str(text) => Some(text.clone()),
                // Old writers leave out that a column of bytes is text.
                Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok(),
                _ => None,
            }
        };
        let texts: Vec<String> = names.iter().filter_map(text).collect();
        Ok((
            number,
            match texts.is_empty() {
                true => Err(Broken {
                    reason: "no_text",
                    detail: format!("the row has no text in {}", names.join(", ")),
                    row: serde_json::Value::Null,
                }),
                false => Ok(texts),
            },
        ))
    })))
}
