//! Broken rows are kept aside; broken files are refused with file, line and column.

use corpus::source::{LoadOptions, Loaded, SourceError, load};
use serde_json::json;

use crate::{Folder, exchanges, reasons, tolerant};

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
        loaded.rejected[0]
            .detail
            .starts_with("column 31: the text ends within a value"),
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
    assert!(
        error
            .to_string()
            .contains("x.json:1:34: the text ends within a value"),
        "{error}"
    );
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
        error.contains("the first is x.jsonl:18: column 11: the text ends within an object"),
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
    let old = b"{\"instruction\": \"Say hello.\", \"output\": \"Hello!\"}\r".repeat(2);
    let said = message(folder.load("old.jsonl", &old));
    assert!(said.contains("as on old Macs; convert it"), "{said}");
    assert!(message(load(&folder.0.path().join("none.json"), &tolerant())).contains("none.json"));
    let odd = message(folder.load("odd.jsonl", r#"{"instuction": "a", "output": "b"}"#));
    assert!(
        odd.contains("\"instuction\", \"output\"") && odd.contains("data.columns = { prompt ="),
        "{odd}"
    );
    let empty = Folder::new();
    assert!(message(load(empty.0.path(), &tolerant())).contains("holds no .json"));
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
