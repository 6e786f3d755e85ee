//! The commands that read texts or prompts from standard input, on a tiny model.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/gguf/bpe.gguf")
}

fn xldistill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    command.args(arguments);
    command
}

fn output(arguments: &[&str], input: &str) -> Output {
    fixtures::fed(&mut xldistill(arguments), input)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_line_without_a_perplexity_is_counted() {
    let model = tiny().display().to_string();
    let output = output(&["perplexity", "--model", &model], "hello there\n\n");
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 of 2 lines have no perplexity"), "{told}");
    let scores = String::from_utf8(output.stdout).expect("text");
    let scores: Vec<f64> = scores
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert!(scores[0].is_finite() && scores[1].is_nan(), "{scores:?}");
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let model = tiny().display().to_string();
    for arguments in [
        &["perplexity", "--model", &model][..],
        &[
            "generate",
            "--model",
            &model,
            "--raw",
            "--max-new-tokens",
            "2",
        ],
        &[
            "chat",
            "--model",
            &model,
            "--temperature",
            "0",
            "--max-tokens",
            "2",
        ],
    ] {
        let told = |text: &str| output(arguments, text).stdout;
        assert_eq!(told("\u{FEFF}hello\n"), told("hello\n"), "{arguments:?}");
    }
}

/// A program that asks, reads the answer and asks again must not wait for ever.
#[test]
fn prompts_are_answered_as_they_come() {
    let model = tiny().display().to_string();
    let mut child = xldistill(&[
        "generate",
        "--model",
        &model,
        "--max-new-tokens",
        "2",
        "--raw",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    for prompt in ["one", "two", "three"] {
        writeln!(stdin, "{prompt}").expect("read");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("an answer");
        let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["prompt"], prompt);
    }
    drop(stdin);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn settings_of_answers_have_the_ranges_of_a_config() {
    let model = tiny().display().to_string();
    for command in ["generate", "chat"] {
        for (flag, value, range) in [
            ("--top-p", "0", "0 is not above 0 and at most 1"),
            ("--top-p", "5", "5 is not above 0 and at most 1"),
            ("--temperature", "nan", "NaN is not from 0 to 100"),
            ("--temperature", "101", "101 is not from 0 to 100"),
            (
                "--max-new-tokens",
                "0",
                "expected a whole number of at least 1",
            ),
        ] {
            let refused = output(&[command, "--model", &model, flag, value], "hello\n");
            let told = said(&refused);
            assert_eq!(refused.status.code(), Some(2), "{command} {flag}: {told}");
            assert!(told.contains(range), "{command} {flag}: {told}");
        }
    }
    // The keys of an engine, too, have those of a config.
    let arguments = ["--from", "eng_Latn", "--to", "por_Latn", "--engine", "llm"];
    let count = ["--model", &model, "--max-new-tokens", "0"];
    let refused = output(
        &[&["translate-text"], &arguments[..], &count].concat(),
        "a\n",
    );
    let told = said(&refused);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(
        told.contains("--max-new-tokens 0: must be at least 1"),
        "{told}"
    );
}
