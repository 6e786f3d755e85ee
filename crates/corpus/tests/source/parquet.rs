//! Parquet: only what is needed is read, and no file takes more than its share of memory.

use std::path::Path;
use std::sync::Arc;

use corpus::source::{LoadOptions, load};
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::{Folder, exchanges, tolerant};

/// Writes `question`, `answer` and a date in `rows` rows.
fn write(path: &Path, answer: &str, date: i32, rows: usize) {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    write_packed(path, answer, date, rows, zstd);
}

fn write_packed(path: &Path, answer: &str, date: i32, rows: usize, compression: Compression) {
    let schema = "message schema {
        OPTIONAL BYTE_ARRAY question (UTF8);
        OPTIONAL BYTE_ARRAY answer (UTF8);
        OPTIONAL INT32 day (DATE);
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(compression);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let levels = vec![1; rows];
    for text in ["q", answer] {
        let texts = vec![ByteArray::from(text); rows];
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&texts, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let typed = column.typed::<Int32Type>();
    typed
        .write_batch(&vec![date; rows], Some(&levels), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_column_that_nobody_reads_may_hold_anything() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.parquet");
    // PostgreSQL's "infinity".
    write(&path, "a", i32::MAX, 2);
    let loaded = load(&path, &LoadOptions::default()).unwrap();
    assert_eq!(exchanges(&loaded), [("q", "a"), ("q", "a")]);
    let options = LoadOptions {
        columns: serde_json::from_str(r#"{"prompt": "question", "response": "day"}"#).unwrap(),
        ..tolerant()
    };
    let error = load(&path, &options).unwrap_err().to_string();
    assert!(error.contains("expected text, found a number"), "{error}");
}

/// A dictionary of one long value stands for any number of rows.
#[test]
fn a_small_file_of_large_rows_is_read_row_by_row() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.parquet");
    write(&path, &"a".repeat(500_000), 0, 20_000);
    assert!(std::fs::metadata(&path).unwrap().len() < 100_000);
    let limited = LoadOptions {
        limit: Some(3),
        ..tolerant()
    };
    assert_eq!(load(&path, &limited).unwrap().instructions.len(), 3);
    write(&path, &"a".repeat(1_100_000), 0, 50);
    let error = load(&path, &tolerant()).unwrap_err().to_string();
    assert!(
        error.contains("50 of 50 rows cannot be used (too_long 50)"),
        "{error}"
    );
}

#[test]
fn sizes_that_a_file_claims_are_checked_before_they_are_allocated() {
    let folder = Folder::new();
    let message = |name: &str, footer: &[u8]| {
        let size = (footer.len() as u32).to_le_bytes();
        let bytes = [b"PAR1", footer, &size, b"PAR1"].concat();
        let error = load(&folder.file(name, bytes), &tolerant()).unwrap_err();
        error.to_string()
    };
    // Compact Thrift: version 1; a list of schema elements.
    let schema = |elements: &[u8], count: u8| {
        [&[0x15, 0x02, 0x19, count << 4 | 0xC], elements, &[0]].concat()
    };
    // An element: field 4 is the name, field 5 the number of children.
    let children = |number: &[u8]| [&[0x48, 0x01, b'a', 0x15], number, &[0]].concat();
    let many = schema(&children(&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]), 1);
    let many = message("many.parquet", &many);
    assert!(
        many.contains("a column of its schema has 2147483647 children"),
        "{many}"
    );
    let nested = [
        &[0x15, 0x02, 0x19, 0xFC, 0xA0, 0x9C, 0x01][..],
        &children(&[0x02]).repeat(20_000),
        &[0],
    ]
    .concat();
    let nested = message("nested.parquet", &nested);
    assert!(nested.contains("nested more than 32 deep"), "{nested}");
    let list = message(
        "list.parquet",
        &[0x15, 0x02, 0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07],
    );
    assert!(
        list.contains("a list would have 2147483647 elements"),
        "{list}"
    );
    let short = load(&folder.file("short.parquet", "PAR1"), &tolerant()).unwrap_err();
    assert!(short.to_string().contains("too short"), "{short}");
}

#[test]
fn every_usual_compression_is_read_and_the_others_are_named() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.parquet");
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        write_packed(&path, "an answer", 0, 3, compression);
        let loaded = load(&path, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(exchanges(&loaded), [("q", "an answer"); 3], "{compression}");
    }
    write_packed(&path, "an answer", 0, 3, Compression::SNAPPY);
    let whole = std::fs::read(&path).unwrap();
    // The metadata of a column: its path, then field 4, the number of the compression (snappy is 1).
    let [before, snappy] = [&b"\x08question\x15"[..], b"\x02"];
    let pattern = [before, snappy].concat();
    let at = whole
        .windows(pattern.len())
        .position(|bytes| bytes == pattern);
    let at = at.unwrap() + before.len();
    for (number, name) in [(3, "LZO"), (4, "brotli")] {
        let mut bytes = whole.clone();
        bytes[at] = number << 1;
        let error = load(&folder.file("other.parquet", bytes), &tolerant()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&format!(
                "column question: its pages are packed with {name}"
            )) && error.contains("compression=\"zstd\""),
            "{error}"
        );
    }
}

/// Texts whose lengths are packed as deltas, as Spark and DuckDB write them.
#[test]
fn delta_encodings_are_read_and_cannot_claim_more_texts_than_there_are() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.parquet");
    let schema = "message schema {
        REQUIRED BYTE_ARRAY question (UTF8);
        OPTIONAL BYTE_ARRAY answer (UTF8);
    }";
    let rows = 300;
    let question = |row: usize| format!("Question {row} of them?");
    let answer = |row: usize| format!("The answer is {}.", row * row);
    for (encoding, version) in [
        (
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            WriterVersion::PARQUET_1_0,
        ),
        (
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            WriterVersion::PARQUET_2_0,
        ),
        (Encoding::DELTA_BYTE_ARRAY, WriterVersion::PARQUET_1_0),
        (Encoding::DELTA_BYTE_ARRAY, WriterVersion::PARQUET_2_0),
    ] {
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_writer_version(version)
            .build();
        let file = std::fs::File::create(&path).unwrap();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        // Every third answer is missing.
        let levels: Vec<i16> = (0..rows).map(|row| i16::from(row % 3 != 0)).collect();
        let present = (0..rows).filter(|row| row % 3 != 0);
        let columns: [(Vec<String>, Option<&[i16]>); 2] = [
            ((0..rows).map(question).collect(), None),
            (present.clone().map(answer).collect(), Some(&levels)),
        ];
        for (texts, levels) in &columns {
            let texts: Vec<ByteArray> = texts.iter().map(|text| text.as_str().into()).collect();
            let mut column = group.next_column().unwrap().unwrap();
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&texts, *levels, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        let loaded = load(&path, &tolerant()).unwrap();
        let expected: Vec<_> = present.map(|row| (question(row), answer(row))).collect();
        let expected: Vec<(&str, &str)> = expected
            .iter()
            .map(|(question, answer)| (question.as_str(), answer.as_str()))
            .collect();
        assert_eq!(exchanges(&loaded), expected, "{encoding} {version:?}");

        // Blocks of 128 in 4 parts, and 300 numbers; then 16,383 of them.
        let mut bytes = std::fs::read(&path).unwrap();
        let head = [0x80, 1, 4, 0xAC, 0x02];
        let at = bytes.windows(5).position(|found| found == head).unwrap();
        bytes[at + 3..at + 5].copy_from_slice(&[0xFF, 0x7F]);
        std::fs::write(&path, bytes).unwrap();
        let error = load(&path, &tolerant()).unwrap_err().to_string();
        assert!(
            error.contains("more values than its header says"),
            "{encoding} {version:?}: {error}"
        );
    }
}
