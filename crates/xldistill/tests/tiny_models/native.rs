//! Training on native text with instructions made backwards. Its LLM and translator are servers,
//! since a random LLM writes no instruction.

use std::fs;
use std::path::Path;

use fixtures::server::{Reply, Server, ok};
use serde_json::{Value, json};

use crate::json_of;
use crate::tiny_run::{Folder, row};

const CONFIG: &str = r#"
model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
engine = "openai"
url = "SERVER"
server_model = "stand-in"
[translate]
engine = "http"
url = "SERVER"
[estimate_quality]
engine = "none"
[filter]
min_language_probability = 1
[code_switch]
probability = 0
[reverse_instructions]
texts.por_Latn = "texts.txt"
min_characters = 10
[mix]
held_out_fraction = 0.3
test_fraction = 0.2
[train]
method = "lora"
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
together = "question"
balance = "weights"
[evaluate]
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

/// Turns the letters of words around, and asks for a text on its last words.
fn reply(body: &str) -> Reply {
    let request: Value = serde_json::from_str(body).expect("JSON");
    let turned = |text: &str| {
        let words = text.split(' ');
        let words = words.map(|word| word.chars().rev().collect::<String>());
        words.collect::<Vec<_>>().join(" ")
    };
    if let Some(texts) = request["texts"].as_array() {
        let texts = texts.iter().filter_map(Value::as_str).map(turned);
        return ok(json!({ "translations": texts.collect::<Vec<_>>() }).to_string());
    }
    let turns = request["messages"].as_array().expect("messages");
    let question = turns.last().and_then(|turn| turn["content"].as_str());
    let words: Vec<&str> = question.expect("a question").split(' ').collect();
    let answer = format!("Explain {}", words[words.len() - 2..].join(" "));
    let choice = json!({ "message": { "content": answer }, "finish_reason": "stop" });
    ok(json!({ "choices": [choice] }).to_string())
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn native_text_is_trained_on_evaluated_and_reported() {
    let server = Server::start(|_, body| reply(body));
    let name = |n: usize| char::from(b'a' + n as u8);
    let rows = (0..20).map(|n| {
        let question = format!("What is thing {}u of them?", name(n));
        row(n, &question, "It is a thing.")
    });
    let config = CONFIG.replace("SERVER", &server.url);
    let folder = Folder::new(rows.collect(), &config);
    let passage = |n| format!("O texto fala de {}u.\n", name(n));
    folder.write("texts.txt", (0..20).map(passage).collect());
    folder.xldistill("run", &[]);
    let run = folder.path("run");

    let metrics = text(&run.join("train/metrics.jsonl"));
    let metrics = metrics
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).expect("JSON") });
    let losses: Vec<f64> = metrics
        .filter_map(|metric| metric["losses"]["native"].as_f64())
        .collect();
    assert!(
        losses.len() > 2 && losses.iter().all(|loss| *loss > 0.0),
        "{losses:?}"
    );
    let report = text(&run.join("report.json"));
    assert!(report.contains("held_out_loss_native_por_Latn"), "{report}");
    let page = text(&run.join("report.html"));
    assert!(page.contains("an instruction in the target language that was made for a text"));
    let rows = json_of(&run.join("mix/manifest.json"))["details"]["subsets"]["native"].clone();
    assert!(
        page.contains("s-6") && rows["rows"].as_u64() > Some(4),
        "{rows}"
    );
    let card = text(&run.join("model/README.md"));
    let listed = "text in Portuguese as answers to instructions made backwards: texts.txt";
    assert!(card.contains(listed), "{card}");
    let (shown, _) = folder.xldistill("inspect", &[]);
    assert!(shown.contains("── native  native/por_Latn/"), "{shown}");
    assert!(
        card.contains("learnt from its own answers to questions in English, translated"),
        "{card}"
    );

    // Neither without the section nor with it for the first time is the training the same.
    let section = "[reverse_instructions]\ntexts.por_Latn = \"texts.txt\"\nmin_characters = 10\n";
    assert!(config.contains(section));
    let with = text(&folder.path("config.toml"));
    folder.write("config.toml", with.replace(section, ""));
    let transfer_set = || fs::read(run.join("mix/manifest.json")).expect("a manifest");
    let before = transfer_set();
    for command in ["run", "doctor"] {
        let (succeeded, printed, log) = folder.outcome(command, &[]);
        let said = printed + &log;
        assert!(
            !succeeded && said.contains("the training examples changed"),
            "{said}"
        );
        assert!(said.contains("reverse_instructions."), "{said}");
    }
    assert!(transfer_set() == before);
    folder.xldistill("run", &["output=plain"]);
    folder.write("config.toml", with);
    let said = folder.fails("run", &["output=plain"]);
    assert!(
        said.contains("the results of the stage passages will differ"),
        "{said}"
    );
    assert!(!folder.path("plain/passages").exists());
}
