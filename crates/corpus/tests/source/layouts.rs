//! Alpaca, conversations, prompts and questions.

use corpus::source::{LoadOptions, load};
use serde_json::json;

use crate::{Folder, exchanges, lines, reasons};

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
    let loaded = folder
        .load("qa.jsonl", r#"{"id": 5, "question": "q", "answer": "a"}"#)
        .unwrap();
    assert_eq!(
        (loaded.instructions[0].id.as_str(), exchanges(&loaded)),
        ("5", vec![("q", "a")])
    );
}

#[test]
fn columns_may_have_other_names() {
    let folder = Folder::new();
    folder.file(
        "dataset_info.json",
        r#"{"mine": {"file_name": "x.jsonl",
            "columns": {"prompt": "q", "query": "context", "response": "a"}}}"#,
    );
    let row = r#"{"q": "question", "context": "text", "a": "answer"}"#;
    let loaded = folder.load("x.jsonl", row).unwrap();
    assert_eq!(exchanges(&loaded), [("question\ntext", "answer")]);
}

mod with_data {
    use super::*;

    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn the_52002_alpaca_rows_load() {
        let path = fixtures::data("alpaca/alpaca_data.json");
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
}
