//! Plain text: every kind of file, and what becomes of rows without text.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use corpus::file_path::FilePath;
use corpus::source::SourceError;
use corpus::source::plain_text::{TextCounts, TextOptions, TextSource, documents};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::Folder;

fn all(
    sources: &[TextSource],
    options: &TextOptions,
) -> Result<(Vec<String>, TextCounts), SourceError> {
    let mut stream = documents(sources, options)?;
    let texts = stream.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((texts, stream.counts().clone()))
}

fn source(path: &Path) -> TextSource {
    TextSource::Files(FilePath::from(path.to_owned()))
}

fn fields(path: &Path, fields: &[&str]) -> TextSource {
    TextSource::Fields {
        path: FilePath::from(path.to_owned()),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
    }
}

fn texts(source: TextSource) -> Vec<String> {
    all(&[source], &tolerant()).unwrap().0
}

fn tolerant() -> TextOptions {
    TextOptions {
        max_rejected_fraction: 0.9,
        ..TextOptions::default()
    }
}

#[test]
fn text_files_have_a_document_a_line() {
    let folder = Folder::new();
    let path = folder.file("a.eng", "\u{FEFF}One.\r\n\n  Two. \nThree.");
    let (found, counts) = all(&[source(&path)], &TextOptions::default()).unwrap();
    assert_eq!(found, ["One.", "Two.", "Three."]);
    assert_eq!(counts.rejected["empty"], 1);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"One.\nTwo.\n").unwrap();
    let path = folder.file("b.txt.gz", packed.finish().unwrap());
    assert_eq!(texts(source(&path)), ["One.", "Two."]);
}

#[test]
fn json_rows_have_a_text_or_alpacas_fields() {
    let folder = Folder::new();
    let array = "[{\"instruction\": \"a\", \"input\": \"\", \"output\": \"b, [c]\"},\n\
                 {\"instruction\": \"d\", \"input\": \"e\", \"output\": \"f\"}]";
    let path = folder.file("alpaca.json", array);
    assert_eq!(texts(source(&path)), ["a", "b, [c]", "d", "e", "f"]);
    assert_eq!(texts(fields(&path, &["output"])), ["b, [c]", "f"]);
    let path = folder.file(
        "rows.json",
        "{\"text\": \"a\", \"output\": \"no\"}\n{\"text\": \"b\"}\n",
    );
    assert_eq!(texts(source(&path)), ["a", "b"]);
}

#[test]
fn columns_of_tabbed_text_have_names_or_numbers() {
    let folder = Folder::new();
    let path = folder.file("a.tsv", "premise\tlabel\nOne.\tyes\nTwo.\tno\n");
    assert_eq!(texts(fields(&path, &["premise"])), ["One.", "Two."]);
    assert_eq!(texts(fields(&path, &["1"])), ["premise", "One.", "Two."]);
    let error = all(&[source(&path)], &tolerant()).unwrap_err().to_string();
    assert!(
        error.contains("premise, label") && error.contains("fields ="),
        "{error}"
    );
    let path = folder.file("b.tsv", "a\tb\nOne.\n");
    let error = all(&[fields(&path, &["b", "a"])], &tolerant())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no_text 1") && error.contains("b.tsv:2"),
        "{error}"
    );
}

fn write_parquet(path: &Path, texts: &[Option<&str>]) {
    let schema = "message docs { required int64 id; optional binary text (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    for half in texts.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        let ids: Vec<i64> = (0..half.len() as i64).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int64Type>()
            .write_batch(&ids, None, None)
            .unwrap();
        column.close().unwrap();
        let values: Vec<ByteArray> = half.iter().flatten().map(|&text| text.into()).collect();
        let levels: Vec<i16> = half.iter().map(|text| i16::from(text.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn parquet_shards_are_read_one_after_another_by_a_pattern() {
    let folder = Folder::new();
    write_parquet(
        &folder.0.path().join("000.parquet"),
        &[Some("a"), None, Some("b")],
    );
    write_parquet(&folder.0.path().join("001.parquet"), &[Some("c")]);
    folder.file("notes.md", "not data");
    for path in ["", "00*.parquet"] {
        let source = source(&folder.0.path().join(path));
        let (found, counts) = all(&[source], &tolerant()).unwrap();
        assert_eq!(found, ["a", "b", "c"]);
        assert_eq!((counts.documents, counts.rejected["no_text"]), (3, 1));
    }
    let path = folder.0.path().join("000.parquet");
    let error = all(&[fields(&path, &["body"])], &tolerant())
        .unwrap_err()
        .to_string();
    assert!(error.contains("id, text"), "{error}");
    let error = all(&[source(&folder.0.path().join("*.txt"))], &tolerant());
    assert!(matches!(error, Err(SourceError::NoTextFiles { .. })));
}

#[test]
fn rows_without_text_are_counted_and_too_many_stop_the_stream() {
    let folder = Folder::new();
    let rows = "{\"text\": \"a\"}\n{\"text\": 1}\n{\"text\": \n{\"text\": \" \"}\n";
    let path = folder.file(
        "a.jsonl",
        [rows.as_bytes(), b"{\"text\": \"\xff\"}\n"].concat(),
    );
    let (found, counts) = all(&[source(&path)], &tolerant()).unwrap();
    assert_eq!(found, ["a"]);
    let counted: Vec<_> = counts
        .rejected
        .iter()
        .map(|(reason, n)| (reason.as_str(), *n))
        .collect();
    let expected = [
        ("empty", 1),
        ("malformed_json", 1),
        ("no_text", 1),
        ("not_utf8", 1),
    ];
    assert_eq!(counted, expected);
    let error = all(&[source(&path)], &TextOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("3 of 4 rows") && error.contains("a.jsonl:2"),
        "{error}"
    );
    let path = folder.file("torn.json", "[{\"text\": \"a\"}, {\"text\"");
    assert!(all(&[source(&path)], &tolerant()).is_err());
}

#[test]
fn equal_documents_can_be_left_out_and_a_limit_ends_the_stream() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "a\nb\na\nc\n");
    let other = folder.file("b.txt", "b\nd\n");
    let options = TextOptions {
        unique: true,
        limit: Some(4),
        ..TextOptions::default()
    };
    let (found, counts) = all(&[source(&path), source(&other)], &options).unwrap();
    assert_eq!(found, ["a", "b", "c", "d"]);
    assert_eq!((counts.documents, counts.duplicates), (4, 2));
}

#[test]
fn a_source_is_a_path_or_a_path_with_fields() {
    let read = |json: &str| serde_json::from_str::<TextSource>(json).unwrap();
    assert_eq!(read("\"a.txt\""), source(Path::new("a.txt")));
    let named = read("{\"path\": \"a.tsv\", \"fields\": [\"premise\"]}");
    assert_eq!(named, fields(Path::new("a.tsv"), &["premise"]));
}
