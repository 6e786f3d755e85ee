//! Parquet files, row by row, of which only the columns that are needed are read.
//!
//! A file of a thousand bytes can stand for gigabytes, so sizes are checked before they are
//! allocated (`parquet::sizes`), and a row is dropped before the next one is read.

mod delta;
mod sizes;

use std::cell::Cell;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use ::parquet::file::properties::ReaderProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::serialized_reader::ReadOptionsBuilder;
use ::parquet::record::reader::RowIter;
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::SourceError;

/// The rows of a file as JSON objects, numbered from 1. Ends after the first error.
pub(crate) struct ParquetRows {
    path: PathBuf,
    columns: Vec<String>,
    rows: Option<RowIter<'static>>,
    number: u64,
}

/// Opens the file at `path` to read the columns that `wanted` chooses by their names.
///
/// # Errors
/// [`SourceError::Parquet`] if the file is damaged, or would take more memory than it may.
pub(crate) fn open(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<ParquetRows, SourceError> {
    let opened = guarded(|| {
        let mut file = File::open(path).map_err(SourceError::io(path))?;
        sizes::check_footer(&mut file).map_err(|message| fault(path, message))?;
        // Of LZ4's older frames, only Hadoop's say how much they hold.
        let properties = ReaderProperties::builder().set_backward_compatible_lz4(false);
        let options = ReadOptionsBuilder::new().with_reader_properties(properties.build());
        let copy = file.try_clone().map_err(SourceError::io(path))?;
        let reader = SerializedFileReader::new_with_options(copy, options.build());
        let reader = reader.map_err(|error| fault(path, error))?;
        let schema = reader.metadata().file_metadata().schema();
        let columns: Vec<String> = schema
            .get_fields()
            .iter()
            .map(|f| f.name().to_owned())
            .collect();
        let read = schema
            .get_fields()
            .iter()
            .filter(|field| wanted(field.name()));
        let read: Vec<Arc<Type>> = read.cloned().collect();
        if read.is_empty() {
            return Ok((columns, None));
        }
        let deltas = sizes::check_pages(&mut file, reader.metadata(), wanted)
            .map_err(|message| fault(path, message))?;
        for (group, column) in deltas {
            delta::check(&reader, group, column).map_err(|message| fault(path, message))?;
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(read);
        let projection = projection.build().map_err(|error| fault(path, error))?;
        let rows = RowIter::from_file_into(Box::new(reader));
        let rows = rows
            .project(Some(projection))
            .map_err(|error| fault(path, error))?;
        Ok((columns, Some(rows)))
    });
    let (columns, rows) = opened.unwrap_or_else(|panic| Err(fault(path, panic)))?;
    Ok(ParquetRows {
        path: path.to_owned(),
        columns,
        rows,
        number: 0,
    })
}

impl ParquetRows {
    /// The names of all columns, read or not.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl Iterator for ParquetRows {
    type Item = Result<(u64, Value), SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        self.number += 1;
        let next = guarded(|| rows.next().map(|row| row.map(|row| object(&row))));
        let row = match next {
            Ok(next) => next?.map_err(|error| fault(&self.path, error)),
            Err(panic) => Err(fault(&self.path, panic)),
        };
        if row.is_err() {
            self.rows = None;
        }
        Some(row.map(|row| (self.number, row)))
    }
}

fn fault(path: &Path, message: impl ToString) -> SourceError {
    SourceError::Parquet {
        path: path.to_owned(),
        message: message.to_string(),
    }
}

thread_local! {
    /// Whether a panic of this thread is caught by [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `action`; a panic becomes its message and is not printed. The crate `parquet` panics on
/// some damaged files.
fn guarded<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(action));
    GUARDED.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("damaged: {}", text.unwrap_or_default())
    })
}

fn object(row: &Row) -> Value {
    let columns = row
        .get_column_iter()
        .map(|(name, field)| (name.clone(), value(field)));
    Value::Object(columns.collect::<Map<_, _>>())
}

/// The JSON of a field; dates and times are the numbers that they are stored as, since "infinity"
/// has no date.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => Value::from(*value),
        Field::Long(value)
        | Field::TimeMicros(value)
        | Field::TimestampMillis(value)
        | Field::TimestampMicros(value) => Value::from(*value),
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
        Field::MapInternal(map) => {
            let entries = map.entries().iter().filter_map(|(key, entry)| match key {
                Field::Str(key) => Some((key.clone(), value(entry))),
                _ => None,
            });
            Value::Object(entries.collect())
        }
        other => Value::from(other.to_string()),
    }
}
