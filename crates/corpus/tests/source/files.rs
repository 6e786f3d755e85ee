//! Folders, Parquet, and several files at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::source::{LoadOptions, load, load_all};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::{Folder, exchanges, lines, reasons, tolerant};

#[test]
fn a_folder_is_read_file_by_file_with_its_dataset_info() {
    let folder = Folder::new();
    folder.file("b.jsonl", r#"{"id": 1, "question": "q", "answer": "a"}"#);
    folder.file(
        "a.json",
        r#"[{"id": 1, "talk": [{"who": "me", "what": "x"}, {"who": "it", "what": "y"}]}]"#,
    );
    folder.file("notes.txt", "not data");
    folder.file(
        "dataset_info.json",
        r#"{"mine": {"file_name": "a.json", "formatting": "sharegpt", "columns": {"messages": "talk"},
            "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "me", "assistant_tag": "it"}}}"#,
    );
    let loaded = load(folder.0.path(), &tolerant()).unwrap();
    assert_eq!(exchanges(&loaded), [("x", "y"), ("q", "a")]);
    assert_eq!(loaded.instructions[0].id, "1");
    assert_eq!(
        loaded.instructions[1].id.len(),
        20,
        "the id was taken by another file"
    );
    let limited = load(
        folder.0.path(),
        &LoadOptions {
            limit: Some(1),
            ..tolerant()
        },
    )
    .unwrap();
    assert_eq!(exchanges(&limited), [("x", "y")]);
    folder.file(
        "dataset_info.json",
        r#"{"mine": {"file_name": "a.json", "formatting": "csv"}}"#,
    );
    let error = load(folder.0.path(), &tolerant()).unwrap_err().to_string();
    assert!(error.contains("\"mine\": formatting \"csv\""), "{error}");
}

/// Writes `conversations: list<struct<from, value>>`, as the `datasets` library lays it out.
fn write_conversations(path: &Path, conversations: &[&[(&str, &str)]]) {
    let schema = "message schema {
        OPTIONAL GROUP conversations (LIST) {
            REPEATED GROUP list {
                OPTIONAL GROUP element {
                    OPTIONAL BYTE_ARRAY from (UTF8);
                    OPTIONAL BYTE_ARRAY value (UTF8);
                }
            }
        }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let compression = parquet::basic::Compression::SNAPPY;
    let properties = Arc::new(
        WriterProperties::builder()
            .set_compression(compression)
            .build(),
    );
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in 0..2 {
        let (mut values, mut repetition) = (Vec::new(), Vec::new());
        for turns in conversations {
            for (index, (from, value)) in turns.iter().enumerate() {
                values.push(ByteArray::from(if column == 0 { *from } else { *value }));
                repetition.push(i16::from(index > 0));
            }
        }
        let definition = vec![4; values.len()];
        let mut leaf = group.next_column().unwrap().unwrap();
        leaf.typed::<ByteArrayType>()
            .write_batch(&values, Some(&definition), Some(&repetition))
            .unwrap();
        leaf.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_is_read_with_its_lists() {
    let folder = Folder::new();
    let path = folder.0.path().join("train.parquet");
    write_conversations(
        &path,
        &[
            &[("human", "Olá?"), ("gpt", "Oi."), ("human", "Tchau.")],
            &[("gpt", "Hm.")],
        ],
    );
    let loaded = load(&path, &tolerant()).unwrap();
    assert_eq!(exchanges(&loaded), [("Olá?", "Oi.")]);
    assert_eq!(reasons(&loaded), [("train.parquet:2", "no_exchange")]);

    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        let error = folder.load("cut.parquet", &bytes[..length]).unwrap_err();
        assert!(error.to_string().contains("cut.parquet"), "{error}");
    }
}

#[test]
fn rows_of_several_files_never_share_an_identifier() {
    let folder = Folder::new();
    let file = |name: &str, question: &str| {
        let row = json!({ "id": "1", "question": question, "answer": "It is." });
        folder.file(
            name,
            lines(&[row, json!({ "question": "Same?", "answer": "Yes." })]),
        )
    };
    let paths = [file("a.jsonl", "Is it?"), file("b.jsonl", "Is it so?")];
    let loaded = load_all(&paths, &LoadOptions::default()).unwrap();
    let mut ids: Vec<&str> = loaded
        .instructions
        .iter()
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!((ids.len(), ids[0]), (4, "1"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    // The first file keeps its identifiers, whatever comes after it.
    let alone = load(&paths[0], &LoadOptions::default()).unwrap();
    assert_eq!(alone.instructions, loaded.instructions[..2]);
    let limit = |limit| LoadOptions {
        limit: Some(limit),
        ..LoadOptions::default()
    };
    assert_eq!(
        load_all(&paths, &limit(3)).unwrap().instructions,
        loaded.instructions[..3]
    );
    // A file that is not needed is not read.
    let missing = [paths[0].clone(), PathBuf::from("missing.jsonl")];
    assert_eq!(load_all(&missing, &limit(2)).unwrap().instructions.len(), 2);
    assert!(load_all(&missing, &LoadOptions::default()).is_err());
}

const ROW: &str = "{\"question\": \"q\", \"answer\": \"a\"}\n";

/// Writes `ROW` to a file below the folder.
fn place(folder: &Folder, name: &str) {
    let path = folder.0.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, ROW).unwrap();
}

#[test]
fn test_splits_and_metadata_are_left_out() {
    let folder = Folder::new();
    for name in [
        "train.jsonl",
        "test.jsonl",
        "validation-00000.jsonl",
        "state.json",
        ".hidden.jsonl",
    ] {
        place(&folder, name);
    }
    folder.file(
        "dataset_infos.json",
        r#"{"default": {"features": {"question": {}}}}"#,
    );
    // The file of this name that `datasets` writes.
    folder.file(
        "dataset_info.json",
        r#"{"features": {"question": {"dtype": "string"}}, "license": ""}"#,
    );
    let loaded = load(folder.0.path(), &tolerant()).unwrap();
    assert_eq!(exchanges(&loaded), [("q", "a")]);
    let left_out = loaded
        .other_splits
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap());
    assert_eq!(
        left_out.collect::<Vec<_>>(),
        ["test.jsonl", "validation-00000.jsonl"]
    );
    assert!(loaded.rejected.is_empty());
    let named = load(&folder.0.path().join("test.jsonl"), &tolerant()).unwrap();
    assert_eq!(
        exchanges(&named),
        [("q", "a")],
        "a file that is named is read"
    );
}

#[test]
fn folders_as_the_hub_lays_them_out_are_looked_into() {
    let folder = Folder::new();
    folder.file("README.md", "# A data set");
    place(&folder, "data/train-00000-of-00002.jsonl");
    place(&folder, "data/train-00001-of-00002.jsonl");
    place(&folder, "data/test-00000-of-00001.jsonl");
    let loaded = load(folder.0.path(), &tolerant()).unwrap();
    assert_eq!(
        (loaded.instructions.len(), loaded.other_splits.len()),
        (2, 1)
    );

    let splits = Folder::new();
    place(&splits, "train/part.jsonl");
    place(&splits, "test/part.jsonl");
    let loaded = load(splits.0.path(), &tolerant()).unwrap();
    assert_eq!(
        (loaded.instructions.len(), loaded.other_splits.len()),
        (1, 1)
    );

    let message = |folder: &Folder| load(folder.0.path(), &tolerant()).unwrap_err().to_string();
    let several = Folder::new();
    place(&several, "en/a.jsonl");
    place(&several, "de/a.jsonl");
    assert!(message(&several).contains("several data sets (de, en); name one"));
    let tests = Folder::new();
    place(&tests, "test.jsonl");
    assert!(message(&tests).contains("only test.jsonl; to learn from"));
    let saved = Folder::new();
    saved.file("data-00000-of-00001.arrow", "");
    assert!(message(&saved).contains("to_parquet"));
}
