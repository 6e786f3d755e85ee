//! A base model, which brings no chat template: found before the first stage, and given one.

use std::fs;
use std::process::Command;

use crate::tiny_run::{Folder, UP_TO_FILTER, row};

const CONFIG: &str = r#"model = "base"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[translate]
engine = "llm"
[estimate_quality]
engine = "none"
"#;

const TRAINED: &str = r#"[mix]
subsets = ["LL", "mt"]
[train]
method = "lora"
epochs = 1
learning_rate = 1e-3
"#;

/// A run whose LLM is the tiny model without its chat template.
fn folder() -> Folder {
    folder_of(CONFIG)
}

fn folder_of(config: &str) -> Folder {
    let rows = (0..12).map(|n| {
        row(
            n,
            &format!("What is number {n} of them?"),
            "It is a number.",
        )
    });
    let folder = Folder::new(rows.collect(), config);
    for (name, has_template) in [("base", false), ("tuned", true)] {
        fs::create_dir(folder.path(name)).expect("creates");
        for entry in fs::read_dir(fixtures::reference("training/tiny")).expect("a fixture") {
            let file = entry.expect("an entry").path();
            let file_name = file.file_name().expect("a name");
            if has_template || file_name != "chat_template.jinja" {
                fs::copy(&file, folder.path(name).join(file_name)).expect("copies");
            }
        }
    }
    folder
}

#[test]
fn a_missing_chat_template_is_found_before_the_first_stage() {
    let folder = folder();
    let server = [
        "answer.engine=openai",
        "answer.server_model=m",
        "answer.url=http://127.0.0.1:9",
    ];
    for overrides in [&[][..], &["method=sft"], &server] {
        for command in ["run", "doctor"] {
            let (succeeded, printed, log) = folder.outcome(command, overrides);
            let said = printed + &log;
            assert!(
                !succeeded
                    && said.contains("template: ")
                    && said.contains("base has no chat template"),
                "{command} {overrides:?}: {said}"
            );
        }
    }
    assert!(!folder.path("run").exists());
    // The translator has the run's template if it is the run's LLM.
    folder.xldistill("run", &["--dry-run", "template=alpaca"]);
    folder.xldistill(
        "run",
        &["--dry-run", "template=alpaca", "translate.model=base"],
    );
    let other = ["--dry-run", "model=tuned", "translate.model=base"];
    let said = folder.fails("run", &other);
    assert!(
        said.contains("translation: ") && said.contains("base has no chat template"),
        "{said}"
    );
    for named in ["translate.template=alpaca", "translate.examples=1"] {
        folder.xldistill("run", &[&other[..], &[named]].concat());
    }
    let said = folder.fails("run", &["model=tuned", "template=alpaca"]);
    assert!(
        said.contains("tuned brings a chat template of its own"),
        "{said}"
    );
    assert!(!folder.path("run").exists());
}

#[test]
fn a_template_in_a_file_is_found_from_elsewhere() {
    let folder = folder();
    let tuned = folder.path("tuned/chat_template.jinja");
    fs::copy(tuned, folder.path("turns.jinja")).expect("copies");
    let (config, _) = folder.xldistill("run", &["--dry-run", "template=turns.jinja"]);
    let path = folder.path("turns.jinja");
    let path = std::path::absolute(path).expect("a path");
    assert!(
        config.contains(&format!("template = \"{}\"", path.display())),
        "{config}"
    );
}

#[test]
fn a_base_model_is_asked_in_a_template_that_is_named() {
    let folder = folder();
    let generate = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
            .args([
                "generate",
                "--max-new-tokens",
                "4",
                "--prompts",
                "instructions.jsonl",
            ])
            .args(more)
            .current_dir(folder.0.path())
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), output.stdout, said)
    };
    let (success, _, said) = generate(&["--model", "base"]);
    assert!(
        !success && said.contains("name one with --template"),
        "{said}"
    );
    let (success, answers, said) = generate(&["--model", "base", "--template", "alpaca"]);
    assert!(
        success && String::from_utf8_lossy(&answers).lines().count() == 12,
        "{said}"
    );
    // The same template from a file says the same, so the option reaches the prompt.
    let alpaca = models::chat_template::builtin::source("alpaca").expect("is built in");
    folder.write("alpaca.jinja", alpaca.to_owned());
    assert_eq!(
        generate(&["--model", "base", "--template", "alpaca.jinja"]).1,
        answers
    );
    assert_ne!(
        generate(&["--model", "base", "--template", "chatml"]).1,
        answers
    );
    let (success, _, said) = generate(&["--model", "tuned", "--template", "alpaca"]);
    assert!(
        !success && said.contains("brings a chat template of its own"),
        "{said}"
    );
}

#[test]
fn an_adapter_on_a_base_model_brings_the_template_it_was_trained_with() {
    let (run, _) = CONFIG.split_once("[data]").expect("a section");
    let folder = folder_of(&format!(
        "{run}template = \"chatml\"\n{UP_TO_FILTER}{TRAINED}"
    ));
    folder.xldistill("run", &["--until", "train"]);
    // The run's template stands beside the adapter; the base model has none.
    let prompt = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
            .args([
                "generate",
                "--max-new-tokens",
                "1",
                "--prompts",
                "instructions.jsonl",
            ])
            .args(arguments)
            .current_dir(folder.0.path())
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        let first = output.stdout.split(|byte| *byte == b'\n').next();
        let line: serde_json::Value = serde_json::from_slice(first.expect("a line")).expect("JSON");
        line["prompt_tokens"].clone()
    };
    let asked = prompt(&["--model", "base", "--template", "chatml"]);
    assert_eq!(prompt(&["--model", "run/model"]), asked);
    assert_ne!(prompt(&["--model", "base", "--raw"]), asked);
}
