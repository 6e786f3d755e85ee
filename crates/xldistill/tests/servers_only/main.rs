//! Runs whose LLM and translator are servers, down to the transfer set: shards, the shared cache,
//! decontamination, and the run's folder while another run holds it. Needs no model.

mod calibration;
mod methods;
mod native;
mod refusals;
mod reuse;
mod transfer_set;
mod typos;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fixtures::server::{Reply, Server, ok};
use serde_json::{Value, json};

const PASSAGE: &str =
    "The Sun doesn't have a crust like the Earth that you can stand on because it is made of gas.";

/// Answers questions with a sentence of their own, writes instructions that name the last words of a
/// text, and translates by turning words around.
fn reply(body: &str) -> Reply {
    let request: Value = serde_json::from_str(body).expect("JSON");
    match request.get("texts") {
        Some(texts) => {
            let turned = |text: &Value| -> String {
                let word = |word: &str| word.chars().rev().collect::<String>();
                let words = text.as_str().expect("a text").split(' ').map(word);
                words.collect::<Vec<_>>().join(" ")
            };
            let texts = texts.as_array().expect("texts").iter();
            let translations: Vec<String> = texts.map(turned).collect();
            ok(json!({ "translations": translations }).to_string())
        }
        None => {
            let turns = request["messages"].as_array().expect("messages");
            let question = turns.last().and_then(|turn| turn["content"].as_str());
            let question = question.expect("a question");
            let answer = match question.starts_with("Write the instruction") {
                true => {
                    // Slow enough to be killed.
                    std::thread::sleep(std::time::Duration::from_millis(3));
                    let words: Vec<&str> = question.split(' ').collect();
                    format!("Explain {}", words[words.len() - 2..].join(" "))
                }
                false => format!("You asked me: {question}"),
            };
            ok(json!({ "choices": [{ "message": { "content": answer }, "finish_reason": "stop" }] }).to_string())
        }
    }
}

/// A folder with a config, its data and a server.
struct Run {
    folder: tempfile::TempDir,
    server: Server,
}

impl Run {
    fn new() -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: String| fs::write(folder.path().join(name), text).expect("writes");
        let rows = |name: &str, count: usize| -> String {
            (0..count)
                .map(|n| {
                    let question =
                        format!("What does the {name} book say about number {n} of them?");
                    let answer = format!("It says that {n} is a fine number.");
                    format!(
                        "{}\n",
                        json!({ "id": n.to_string(), "question": question, "answer": answer })
                    )
                })
                .collect()
        };
        write("first.jsonl", rows("first", 60));
        let contaminated = json!({ "id": "sun", "question": format!("Explain: {PASSAGE}"), "answer": "It is gas." });
        write(
            "second.jsonl",
            format!("{}{contaminated}\n", rows("second", 60)),
        );
        write(
            "belebele.jsonl",
            format!("{}\n", json!({ "flores_passage": PASSAGE })),
        );
        write("parallel.tsv", "One house.\tUma casa.\nTwo houses.\tDuas casas.\nThree red houses.\tTrês casas vermelhas.\n".into());
        let server = Server::start(|_, body| reply(body));
        let url = &server.url;
        write(
            "config.toml",
            format!(
                r#"
model = "unused.gguf"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["first.jsonl", "second.jsonl"]
parallel.por_Latn = "parallel.tsv"
[answer]
engine = "openai"
url = "{url}"
server_model = "stand-in"
in_flight = 4
[translate]
engine = "http"
url = "{url}"
cache = "cache.sqlite"
[identify]
engine = "whatlang"
[estimate_quality]
engine = "none"
[filter]
min_language_probability = 1
[code_switch]
probability = 0
[decontaminate]
against = ["belebele.jsonl"]
"#
            ),
        );
        Run { folder, server }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn xldistill(&self, arguments: &[&str]) -> Output {
        let config = self.path("config.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        command.arg(arguments[0]).arg(&config).args(&arguments[1..]);
        command
            .env_remove("OPENAI_API_KEY")
            .output()
            .expect("it runs")
    }

    /// Runs and returns what was said on standard error.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.xldistill(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn requests_to(&self, path: &str) -> usize {
        let start = format!("POST {path} ");
        self.server
            .requests()
            .iter()
            .filter(|request| request.starts_with(&start))
            .count()
    }
}

fn manifest(folder: &Path) -> Value {
    let json = fs::read(folder.join("manifest.json")).expect("a finished stage");
    serde_json::from_slice(&json).expect("JSON")
}
