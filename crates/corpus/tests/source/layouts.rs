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

#[test]
fn columns_of_published_data_sets_are_known() {
    let folder = Folder::new();
    let rows = [
        json!({ "instruction": "Q", "context": "C", "response": "A", "category": "open_qa" }),
        json!({ "id": "cot.1", "system_prompt": "Think.", "question": "Q", "response": "A" }),
        json!({ "prompt": "Q", "response": "A" }),
        json!({ "query": "Q", "response": "A" }),
        json!({ "input": "Q", "output": "A" }),
        json!({ "Instruction": "Q", "Input": "", "Output": "A" }),
        json!({ "language": "English", "conversation": [
            { "role": "user", "content": "Q" }, { "role": "assistant", "content": "A" }] }),
        json!({ "conversations": [
            { "role": "user", "content": "Q" }, { "role": "assistant", "content": "A" }] }),
        json!({ "messages": [{ "from": "human", "value": "Q" }, { "from": "gpt", "value": "A" }] }),
        json!({ "conversations": [{ "from": "Human", "value": "Q" }, { "from": "Assistant", "value": "A" }] }),
        json!({ "conversations": [{ "from": "USER", "value": "Q" }, { "from": "ASSISTANT", "value": "A" }] }),
    ];
    for (number, row) in rows.iter().enumerate() {
        let question = if number == 0 { "Q\nC" } else { "Q" };
        let loaded = folder.load("x.jsonl", lines(std::slice::from_ref(row)));
        let loaded = loaded.unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(exchanges(&loaded), [(question, "A")], "{row}");
        let system = loaded.left_out.get("system").copied();
        assert_eq!(system, (number == 1).then_some(1), "{row}");
    }
    let loaded = folder.load("x.csv", "id,prompt,response\r\n7,\"Q, or\nnot?\",A\r\n");
    assert_eq!(exchanges(&loaded.unwrap()), [("Q, or\nnot?", "A")]);
    let loaded = folder.load("x.csv", "Question;Answer\r\n\"Q; or, not?\";A, B\r\n");
    assert_eq!(exchanges(&loaded.unwrap()), [("Q; or, not?", "A, B")]);
    let loaded = folder.load("x.tsv", "question\tanswer\nQ\tA\n");
    assert_eq!(exchanges(&loaded.unwrap()), [("Q", "A")]);
}

#[test]
fn the_config_names_other_columns_and_speakers() {
    let folder = Folder::new();
    let load = |row: serde_json::Value, columns: serde_json::Value| {
        let options = LoadOptions {
            columns: serde_json::from_value(columns).unwrap(),
            max_rejected_fraction: 0.0,
            ..LoadOptions::default()
        };
        load(&folder.file("x.jsonl", lines(&[row])), &options).map_err(|error| error.to_string())
    };
    let odd = json!({ "frage": "Q", "antwort": "A" });
    let named = load(
        odd.clone(),
        json!({ "prompt": "frage", "response": "antwort" }),
    )
    .unwrap();
    assert_eq!(exchanges(&named), [("Q", "A")]);
    let error = load(odd.clone(), json!({})).unwrap_err();
    assert!(error.contains("among \"antwort\", \"frage\""), "{error}");
    assert!(
        error.contains("data.columns = { prompt = \"antwort\""),
        "{error}"
    );
    let error = load(odd, json!({ "prompt": "frage", "response": "anwort" })).unwrap_err();
    assert!(error.contains("no \"anwort\""), "{error}");

    let turns =
        json!({ "talk": [{ "who": "pupil", "what": "Q" }, { "who": "teacher", "what": "A" }] });
    let columns = json!({ "messages": "talk", "role": "who", "content": "what" });
    let error = load(turns.clone(), columns.clone()).unwrap_err();
    assert!(
        error.contains("those who speak are pupil, teacher"),
        "{error}"
    );
    assert!(error.contains("data.columns.user = \"pupil\""), "{error}");
    let mut columns = columns;
    columns["user"] = json!("pupil");
    let error = load(turns.clone(), columns.clone()).unwrap_err();
    assert!(
        error.contains("data.columns.assistant = \"teacher\""),
        "{error}"
    );
    columns["assistant"] = json!("teacher");
    assert_eq!(exchanges(&load(turns, columns).unwrap()), [("Q", "A")]);
}

#[test]
fn what_is_no_number_or_too_long_or_wrongly_decoded_costs_its_row_alone() {
    let folder = Folder::new();
    let row =
        |answer: &str| format!("{{\"instruction\": \"Q\", \"output\": {answer}, \"score\": NaN}}");
    let array = format!("[{},\n{},\n{}]", row("\"NaN\""), row("NaN"), row("\"A\""));
    let loaded = folder.load("x.json", array).unwrap();
    assert_eq!(exchanges(&loaded), [("Q", "NaN"), ("Q", "A")]);
    assert_eq!(reasons(&loaded), [("x.json:2", "empty_answer")]);

    let long = "a ".repeat(600_000);
    let rows = [
        json!({ "question": long, "answer": "A" }),
        json!({ "question": "Q", "answer": "A" }),
        json!({ "question": "ma\u{c3}\u{a7}\u{c3}\u{a3}s", "answer": "A" }),
    ];
    let loaded = folder.load("y.jsonl", lines(&rows)).unwrap();
    assert_eq!(exchanges(&loaded), [("Q", "A")]);
    assert_eq!(
        reasons(&loaded),
        [("y.jsonl:1", "too_long"), ("y.jsonl:3", "wrong_encoding")]
    );
    assert!(
        loaded.rejected[0].row.to_string().len() < 3_000,
        "the row is abridged"
    );
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
