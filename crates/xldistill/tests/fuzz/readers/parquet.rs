//! Parquet files.

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::data::read_data;
use crate::bytes::damage;
use crate::runner::{Files, Reader};

/// A file with these columns of text, each row the same, nested ones as lists of one.
fn file(
    schema: &str,
    columns: usize,
    compression: Compression,
    version: WriterVersion,
    dictionary: bool,
) -> Files {
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    for number in 0..columns {
        let mut column = group.next_column().expect("a column").expect("a column");
        let texts = vec![ByteArray::from(if number == 0 { "A house." } else { "Uma casa." }); 9];
        let typed = column.typed::<ByteArrayType>();
        // All levels are at their largest: nothing is null, and every list begins anew.
        let levels = typed.get_descriptor().max_def_level();
        let repeated = typed.get_descriptor().max_rep_level() > 0;
        let definitions = vec![levels; 9];
        let repetitions = repeated.then(|| vec![0; 9]);
        typed
            .write_batch(&texts, Some(&definitions), repetitions.as_deref())
            .expect("written");
        column.close().expect("closed");
    }
    group.close().expect("closed");
    let bytes = writer.into_inner().expect("in memory");
    Files::from([("x.parquet".to_owned(), bytes)])
}

const PAIRS: &str =
    "message schema { OPTIONAL BYTE_ARRAY question (UTF8); OPTIONAL BYTE_ARRAY answer (UTF8); }";
const TRANSLATION: &str = "message schema { OPTIONAL GROUP translation { OPTIONAL BYTE_ARRAY en (UTF8); OPTIONAL BYTE_ARRAY pt (UTF8); } }";
const MESSAGES: &str = "message schema { OPTIONAL GROUP messages (LIST) { REPEATED GROUP list { OPTIONAL GROUP element {
    OPTIONAL BYTE_ARRAY content (UTF8); OPTIONAL BYTE_ARRAY role (UTF8); } } } }";

#[test]
fn parquet() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let gzip = Compression::GZIP(parquet::basic::GzipLevel::default());
    let (one, two) = (WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0);
    let mut seeds = Vec::new();
    for schema in [PAIRS, TRANSLATION, MESSAGES] {
        seeds.push(file(schema, 2, Compression::UNCOMPRESSED, one, true));
        seeds.push(file(schema, 2, Compression::UNCOMPRESSED, two, false));
    }
    for compression in [
        zstd,
        gzip,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::LZ4,
    ] {
        seeds.push(file(PAIRS, 2, compression, one, true));
        seeds.push(file(PAIRS, 2, compression, two, false));
    }
    Reader {
        name: "parquet",
        seeds,
        inputs: 600,
        memory: 256 << 20,
        change: &|chance, files, other| {
            let content = files.get_mut("x.parquet").expect("a file");
            if chance.once_in(2) {
                return damage(chance, content, &other["x.parquet"]);
            }
            // The footer, whose length stands before the last four bytes and stays right.
            let end = content.len().saturating_sub(8);
            let size = content[end..]
                .first_chunk()
                .map_or(0, |size| u32::from_le_bytes(*size) as usize);
            let mut footer = content.split_off(end.saturating_sub(size));
            footer.truncate(size);
            damage(chance, &mut footer, &[]);
            content.extend_from_slice(&footer);
            content.extend_from_slice(&(footer.len() as u32).to_le_bytes());
            content.extend_from_slice(b"PAR1");
        },
        read: &read_data,
    }
    .fuzz();
}
