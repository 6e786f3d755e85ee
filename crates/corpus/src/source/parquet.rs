//! Parquet files, by their record interface.

use std::path::Path;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use serde_json::{Map, Value};

use super::SourceError;

/// All rows of the file, as JSON objects.
pub(crate) fn read(path: &Path, bytes: Vec<u8>) -> Result<Vec<Value>, SourceError> {
    let failed = |error: ::parquet::errors::ParquetError| SourceError::Parquet {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(failed)?;
    let rows = reader.get_row_iter(None).map_err(failed)?;
    rows.map(|row| row.map(|row| object(&row)).map_err(failed))
        .collect()
}

fn object(row: &Row) -> Value {
    let columns = row
        .get_column_iter()
        .map(|(name, field)| (name.clone(), value(field)));
    Value::Object(columns.collect::<Map<_, _>>())
}

/// The JSON of a field; kinds that no instruction data uses become their text.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Float(value) => Value::from(*value),
        Field::Double(value) => Value::from(*value),
        Field::Str(text) => Value::from(text.as_str()),
        // Old writers leave out that a column of bytes is text.
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into(),
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => Value::from(other.to_string()),
    }
}
