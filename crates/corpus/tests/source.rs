//! Loading data sets: every layout and file type, and what becomes of broken ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::language::Language;
use corpus::source::{
    Columns, Format, LoadOptions, Loaded, ParallelSource, SourceError, load, load_all, parallel,
};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use serde_json::{Value, json};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self, name: &str, content: impl AsRef<[u8]>) -> Result<Loaded, SourceError> {
        load(&self.file(name, content), &tolerant())
    }
}

/// Small files with broken rows exceed the usual threshold.
fn tolerant() -> LoadOptions {
    LoadOptions {
        max_rejected_fraction: 0.9,
        ..LoadOptions::default()
    }
}

fn exchanges(loaded: &Loaded) -> Vec<(&str, &str)> {
    loaded
        .instructions
        .iter()
        .map(|i| (i.question.as_str(), i.answer.as_str()))
        .collect()
}

fn reasons(loaded: &Loaded) -> Vec<(&str, &str)> {
    loaded
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect()
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn alpaca_joins_instruction_and_input() {
    let rows = json!([
        { "instruction": "Name a fruit.", "input": "", "output": "Apple." },
        { "instruction": "Translate.", "input": "bonjour", "output": " hello\n" },
        { "instruction": "Sing.", "input": "<noinput>", "output": "La." },
        { "instruction": "Third?", "output": "Yes.", "system": "Be brief.",
          "history": [["First?", "No."], ["Second?", "Maybe."]] },
    ]);
    let loaded = Folder::new().load("data.json", rows.to_string()).unwrap();
    let expected = [
        ("Name a fruit.", "Apple."),
        ("Translate.\nbonjour", "hello"),
        ("Sing.", "La."),
        ("First?", "No."),
    ];
    assert_eq!(exchanges(&loaded), expected);
    assert_eq!(
        (loaded.left_out["system"], loaded.left_out["later_turns"]),
        (1, 4)
    );
    assert_eq!(
        (loaded.files[0].format, loaded.files[0].rows),
        (Format::Alpaca, 4)
    );
}

#[test]
fn conversations_give_their_first_exchange() {
    let folder = Folder::new();
    let sharegpt = [
        json!({ "id": "a1", "conversations": [
            { "from": "system", "value": "Be kind." },
            { "from": "human", "value": "Hi" }, { "from": "gpt", "value": "Hello" },
            { "from": "human", "value": "Bye" }, { "from": "gpt", "value": "Ciao" } ] }),
        json!({ "conversations": [{ "from": "gpt", "value": "I begin." }] }),
        json!({ "conversations": [
            { "from": "human", "value": "Weather?" }, { "from": "function_call", "value": "{}" } ] }),
        json!({ "conversations": "none" }),
    ];
    let loaded = folder.load("sharegpt.jsonl", lines(&sharegpt)).unwrap();
    assert_eq!(exchanges(&loaded), [("Hi", "Hello")]);
    assert_eq!(loaded.instructions[0].id, "a1");
    assert_eq!(
        (loaded.left_out["system"], loaded.left_out["later_turns"]),
        (1, 2)
    );
    let expected = [
        ("sharegpt.jsonl:2", "no_exchange"),
        ("sharegpt.jsonl:3", "no_exchange"),
        ("sharegpt.jsonl:4", "not_text"),
    ];
    assert_eq!(reasons(&loaded), expected);

    let messages = [
        json!({ "messages": [{ "role": "user", "content": "Hi" },
                             { "role": "assistant", "content": "Hello" }] }),
        json!({ "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
            { "role": "assistant", "content": "c" } ] }),
        json!({ "messages": [
            { "role": "user", "content": [{ "type": "image_url", "image_url": "x" }] },
            { "role": "assistant", "content": "A cat." } ] }),
    ];
    let loaded = folder.load("messages.jsonl", lines(&messages)).unwrap();
    assert_eq!(exchanges(&loaded), [("Hi", "Hello"), ("a\nb", "c")]);
    assert_eq!(reasons(&loaded), [("messages.jsonl:3", "not_text")]);
}

#[test]
fn prompts_and_questions_are_read_too() {
    let folder = Folder::new();
    let rows = [
        json!({ "prompt": "p", "completion": "c" }),
        json!({ "prompt": [{ "role": "system", "content": "s" }, { "role": "user", "content": "u" }],
                "completion": [{ "role": "assistant", "content": "a" }] }),
    ];
    let loaded = folder.load("prompts.jsonl", lines(&rows)).unwrap();
    assert_eq!(exchanges(&loaded), [("p", "c"), ("u", "a")]);
    assert_eq!(loaded.files[0].format, Format::PromptCompletion);
    let loaded = folder
        .load("qa.jsonl", r#"{"id": 5, "question": "q", "answer": "a"}"#)
        .unwrap();
    assert_eq!(
        (loaded.instructions[0].id.as_str(), exchanges(&loaded)),
        ("5", vec![("q", "a")])
    );
}

#[test]
fn broken_rows_are_kept_aside_and_the_rest_goes_on() {
    let mut bytes = b"\xEF\xBB\xBF{\"instruction\": \"a\", \"output\": \"b\"}\r\n\n".to_vec();
    bytes.extend(b"{\"instruction\": \"a\", \"output\": \n");
    bytes.extend(b"{\"instruction\": \"caf\xE9\", \"output\": \"b\"}\n");
    bytes.extend(b"[1]\n{\"instruction\": \"a\"}\n{\"instruction\": \" \", \"output\": \"b\"}\n");
    bytes.extend(
        b"{\"instruction\": \"a\", \"output\": null}\n{\"instruction\": 3, \"output\": \"b\"}\n",
    );
    bytes.extend(b"{\"instruction\": \"c\", \"output\": \"d\"}");
    let loaded = Folder::new().load("x.jsonl", &bytes).unwrap();
    assert_eq!(exchanges(&loaded), [("a", "b"), ("c", "d")]);
    let expected = [
        ("x.jsonl:3", "malformed_json"),
        ("x.jsonl:4", "not_utf8"),
        ("x.jsonl:5", "not_an_object"),
        ("x.jsonl:6", "missing_key"),
        ("x.jsonl:7", "empty_question"),
        ("x.jsonl:8", "empty_answer"),
        ("x.jsonl:9", "not_text"),
    ];
    assert_eq!(reasons(&loaded), expected);
    assert!(
        loaded.rejected[0].detail.starts_with("column 31: EOF"),
        "{}",
        loaded.rejected[0].detail
    );
    assert_eq!(
        loaded.rejected[0].row,
        json!("{\"instruction\": \"a\", \"output\":")
    );
    assert_eq!(loaded.rejected[3].row, json!({ "instruction": "a" }));
    assert_eq!(loaded.rejected[3].detail, "no \"output\"");
}

#[test]
fn rows_of_an_array_know_their_lines() {
    let text = b"[\n {\"question\": \"a\", \"answer\": \"b\"},\n\n {\"question\": \"a\"},
 {\"question\": \"\xFF\", \"answer\": \"b\"},\n {\"question\": \"\xEF\xBF\xBD\", \"answer\": \"b\"}\n]\n";
    let loaded = Folder::new().load("x.json", text).unwrap();
    let expected = [
        ("x.json:4", "missing_key"),
        ("x.json:5", "not_utf8"),
        ("x.json:6", "not_utf8"),
    ];
    assert_eq!(reasons(&loaded), expected);
}

#[test]
fn a_malformed_array_is_named_with_line_and_column() {
    let error = Folder::new()
        .load(
            "x.json",
            "[\n {\"question\": \"a\",\n  \"answer\" \"b\"}\n]",
        )
        .unwrap_err();
    assert!(
        error.to_string().ends_with("x.json:3:12: expected `:`"),
        "{error}"
    );
    let error = Folder::new()
        .load("x.json", "[{\"question\": \"a\", \"answer\": \"b\"},")
        .unwrap_err();
    assert!(error.to_string().contains("x.json:1:34: EOF"), "{error}");
}

#[test]
fn too_many_broken_rows_stop_the_load() {
    let folder = Folder::new();
    let mut text = "{\"question\": \"q\", \"answer\": \"a\"}\n".repeat(17);
    text += "{\"question\"\n{}\n{}\n";
    let path = folder.file("x.jsonl", &text);
    let error = load(&path, &LoadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("3 of 20 rows cannot be used (malformed_json 1, missing_key 2)"),
        "{error}"
    );
    assert!(
        error.contains("the first is x.jsonl:18: column 11: EOF"),
        "{error}"
    );
    let options = LoadOptions {
        max_rejected_fraction: 0.15,
        ..LoadOptions::default()
    };
    assert_eq!(load(&path, &options).unwrap().instructions.len(), 17);
}

#[test]
fn nothing_to_read_is_an_error_with_a_name() {
    let folder = Folder::new();
    let message = |result: Result<Loaded, SourceError>| result.unwrap_err().to_string();
    assert!(message(folder.load("empty.jsonl", "")).ends_with("empty.jsonl holds no rows"));
    assert!(message(folder.load("empty.json", "[]")).ends_with("empty.json holds no rows"));
    assert!(message(folder.load("x.txt", "a")).contains("not a .json"));
    assert!(message(folder.load("x.json", "\u{FEFF}")).ends_with("holds no rows"));
    assert!(message(folder.load("utf16.json", b"\xFF\xFE[\0]\0")).contains("UTF-16"));
    assert!(message(load(&folder.0.path().join("none.json"), &tolerant())).contains("none.json"));
    let odd = message(folder.load("odd.jsonl", r#"{"instuction": "a", "output": "b"}"#));
    assert!(
        odd.contains("\"instuction\", \"output\"") && odd.contains("Alpaca"),
        "{odd}"
    );
    let empty = Folder::new();
    assert!(message(load(empty.0.path(), &tolerant())).contains("holds no .json"));
}

#[test]
fn columns_may_have_other_names() {
    let folder = Folder::new();
    let path = folder.file(
        "x.jsonl",
        r#"{"q": "question", "context": "text", "a": "answer"}"#,
    );
    let columns = Columns {
        prompt: Some("q".into()),
        query: Some("context".into()),
        response: Some("a".into()),
        ..Columns::default()
    };
    let loaded = load(
        &path,
        &LoadOptions {
            columns,
            ..tolerant()
        },
    )
    .unwrap();
    assert_eq!(exchanges(&loaded), [("question\ntext", "answer")]);
}

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
    assert_eq!(loaded.files[0].format, Format::Sharegpt);

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

#[test]
fn the_52002_alpaca_rows_load() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alpaca/alpaca_data.json");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let loaded = load(&path, &LoadOptions::default()).unwrap();
    let rejected = loaded.rejected.len();
    assert_eq!(
        (loaded.instructions.len() + rejected, rejected),
        (52_002, 28)
    );
    assert!(
        loaded
            .rejected
            .iter()
            .all(|row| row.reason == "empty_answer")
    );
}

fn pairs(source: &ParallelSource) -> Result<Vec<(String, String)>, SourceError> {
    parallel(source, Language::ENGLISH, Language::PORTUGUESE).map(|loaded| loaded.pairs)
}

#[test]
fn sentence_pairs_are_read_from_every_form() {
    let folder = Folder::new();
    let expected = vec![
        ("Hi.".to_owned(), "Oi.".to_owned()),
        ("Bye.".to_owned(), "Tchau.".to_owned()),
    ];
    let file = |name, content: &str| ParallelSource::File(folder.file(name, content));
    for source in [
        file("plain.tsv", "Hi.\tOi.\r\nBye.\tTchau.\tCC-BY\n"),
        file("header.tsv", "id\tpt\ten\n1\tOi.\tHi.\n2\tTchau.\tBye.\n"),
        file(
            "codes.jsonl",
            "{\"eng_Latn\": \"Hi.\", \"por\": \"Oi.\"}\n{\"en\": \"Bye.\", \"pt\": \"Tchau.\"}",
        ),
        file(
            "hub.jsonl",
            "{\"translation\": {\"en\": \"Hi.\", \"pt\": \"Oi.\"}}\n\
                           {\"translation\": {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}}",
        ),
        file(
            "array.json",
            "[{\"en\": \"Hi.\", \"pt\": \"Oi.\"}, {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}]",
        ),
        ParallelSource::Aligned {
            source: folder.file("text.en", "Hi.\nBye.\n"),
            target: folder.file("text.pt", "Oi.\nTchau."),
        },
    ] {
        assert_eq!(pairs(&source).unwrap(), expected, "{source:?}");
    }
}

#[test]
fn broken_pairs_are_kept_aside() {
    let folder = Folder::new();
    let path = folder.file("x.tsv", b"Hi.\tOi.\nalone\n\t\xFF\n \t \nyes\t\n\n");
    let loaded = parallel(
        &ParallelSource::File(path),
        Language::ENGLISH,
        Language::PORTUGUESE,
    )
    .unwrap();
    let rejected: Vec<_> = loaded
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(loaded.pairs.len(), 1);
    let expected = [
        ("x.tsv:2", "missing_column"),
        ("x.tsv:3", "not_utf8"),
        ("x.tsv:5", "empty_side"),
    ];
    assert_eq!(rejected, expected);

    let uneven = ParallelSource::Aligned {
        source: folder.file("text.en", "one\ntwo\n"),
        target: folder.file("text.pt", "um\n"),
    };
    let error = pairs(&uneven).unwrap_err().to_string();
    assert!(
        error.contains("has 2 lines") && error.contains("has 1: "),
        "{error}"
    );
    let none = ParallelSource::File(folder.file("none.tsv", "just text\n"));
    assert!(
        pairs(&none)
            .unwrap_err()
            .to_string()
            .contains("none.tsv:1: 1 of two")
    );
}

#[test]
fn the_config_names_a_file_or_two() {
    let one: ParallelSource = serde_json::from_value(json!("pairs.tsv")).unwrap();
    assert_eq!(one, ParallelSource::File("pairs.tsv".into()));
    let two: ParallelSource =
        serde_json::from_value(json!({ "source": "a.en", "target": "a.pt" })).unwrap();
    let expected = ParallelSource::Aligned {
        source: "a.en".into(),
        target: "a.pt".into(),
    };
    assert_eq!(two, expected);
}

/// What JSON can hold and text cannot, or hardly: such rows are kept aside or read as they are.
#[test]
fn lone_surrogates_and_control_characters_lose_no_other_row() {
    let rows = [
        r#"{"instruction": "lone \ud800 surrogate", "output": "a"}"#,
        r#"{"instruction": "lone \udc00 trail", "output": "a"}"#,
        r#"{"instruction": "reversed \udc00\ud800", "output": "a"}"#,
        r#"{"instruction": "a pair \ud83d\ude00", "output": "a"}"#,
        r#"{"instruction": "escaped \u0000\u0001\u007f", "output": "\u001b[0m"}"#,
        "{\"instruction\": \"raw \u{1} control\", \"output\": \"a\"}",
        r#"{"instruction": "q", "output": "a"}"#,
    ];
    let folder = Folder::new();
    for (name, content) in [
        ("x.jsonl", rows.join("\n")),
        (
            "x.json",
            format!("[{}]", [&rows[3..5], &rows[6..]].concat().join(",\n")),
        ),
    ] {
        let loaded =
            load(&folder.file(name, content), &tolerant()).unwrap_or_else(|e| panic!("{e}"));
        let questions: Vec<&str> = loaded
            .instructions
            .iter()
            .map(|row| row.question.as_str())
            .collect();
        assert_eq!(
            questions,
            ["a pair 😀", "escaped \0\u{1}\u{7f}", "q"],
            "{name}"
        );
        assert!(
            loaded
                .rejected
                .iter()
                .all(|row| row.reason == "malformed_json")
        );
        assert_eq!(loaded.rejected.len(), if name == "x.jsonl" { 4 } else { 0 });
    }
}

#[test]
fn nesting_without_end_is_a_broken_row() {
    let folder = Folder::new();
    let deep = format!("{{\"instruction\": {}", "[".repeat(200_000));
    let good = r#"{"instruction": "q", "output": "a"}"#;
    let loaded = load(
        &folder.file("x.jsonl", format!("{good}\n{deep}\n")),
        &tolerant(),
    );
    assert_eq!(reasons(&loaded.unwrap_or_else(|e| panic!("{e}"))).len(), 1);
    let array = format!("[{good}, {}{}]", "[".repeat(200_000), "]".repeat(200_000));
    let loaded = load(&folder.file("x.json", array), &tolerant());
    assert_eq!(reasons(&loaded.unwrap_or_else(|e| panic!("{e}"))).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_file_holds_every_row_is_used_or_kept_aside(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                Just(br#"{"question": "q", "answer": "a"}"#.to_vec()),
                Just(br#"{"messages": [{"role": "user", "content": "q"}, {"role": 1}]}"#.to_vec()),
                Just(br#"{"question": ["#.to_vec()),
            ],
            0..12,
        ),
    ) {
        let folder = Folder::new();
        let content = lines.join(&b'\n');
        let rows = content.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let options = LoadOptions { max_rejected_fraction: 1.0, ..LoadOptions::default() };
        for name in ["x.jsonl", "x.json", "x.parquet"] {
            if let Ok(loaded) = load(&folder.file(name, &content), &options) {
                prop_assert_eq!(loaded.instructions.len() + loaded.rejected.len(), rows);
            }
        }
        let pairs = ParallelSource::File(folder.file("x.tsv", &content));
        let _ = parallel(&pairs, Language::ENGLISH, Language::PORTUGUESE);
    }

    /// Damaged data sets of every layout: rows or an error, never a panic.
    #[test]
    fn damaged_data_sets_are_read_or_refused(
        layout in 0usize..3,
        damage in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let row = [
            r#"{"instruction": "say é", "input": "", "output": "\u00e9 \ud83d\ude00"}"#,
            r#"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#,
            r#"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#,
        ][layout];
        let folder = Folder::new();
        for (name, content) in [
            ("x.json", format!("[{row},\n{row},\n{row}]")),
            ("x.jsonl", format!("{row}\n{row}\n{row}\n")),
        ] {
            let mut bytes = content.into_bytes();
            for (place, byte) in &damage {
                let at = (place * bytes.len() as f64) as usize;
                bytes[at] = *byte;
            }
            bytes.truncate((length * bytes.len() as f64) as usize);
            let options = LoadOptions { max_rejected_fraction: 1.0, ..LoadOptions::default() };
            if let Ok(loaded) = load(&folder.file(name, &bytes), &options) {
                prop_assert!(loaded.instructions.len() <= 6);
            }
        }
    }

    #[test]
    fn no_text_confuses_the_language_table(text in ".{0,24}") {
        if let Ok(language) = Language::parse(&text) {
            prop_assert_eq!(Language::parse(language.code()), Ok(language));
        }
    }
}
