//! Processes that share a translation cache, from its first moment on. Needs no model.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use fixtures::server::{Server, ok};
use serde_json::{Value, json};

const ROUNDS: usize = 30;
const PROCESSES: usize = 4;

/// Translates into capitals.
fn reply(body: &str) -> fixtures::server::Reply {
    let request: Value = serde_json::from_str(body).expect("JSON");
    let texts = request["texts"].as_array().expect("texts").iter();
    let capitals: Vec<String> = texts
        .map(|text| text.as_str().expect("a text").to_uppercase())
        .collect();
    ok(json!({ "translations": capitals }).to_string())
}

#[test]
fn processes_that_start_together_open_one_new_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(|_, body| reply(body));
    for round in 0..ROUNDS {
        let cache = folder.path().join(format!("{round}.sqlite"));
        let start = || -> Child {
            let mut child = Command::new(env!("CARGO_BIN_EXE_xldistill"))
                .args(["translate-text", "--engine", "http", "--url", &server.url])
                .args(["--from", "eng_Latn", "--to", "por_Latn", "--cache"])
                .arg(&cache)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts");
            let mut input = child.stdin.take().expect("a pipe");
            // A process that fails does not read; its error is what the test shows.
            let _ = input.write_all(b"Good morning to all of you.\n");
            child
        };
        let processes: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
        for process in processes {
            let output = process.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "round {round}: {said}");
            assert!(!said.contains("translation cache"), "round {round}: {said}");
            assert_eq!(output.stdout, b"GOOD MORNING TO ALL OF YOU.\n");
        }
    }
}
