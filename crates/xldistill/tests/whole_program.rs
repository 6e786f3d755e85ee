//! The program as a shell sees it: pipes that close, plans for schedulers, configs that move.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn quickstart() -> String {
    root()
        .join("examples/quickstart/por.toml")
        .display()
        .to_string()
}

fn xldistill() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xldistill"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_quickstarts_config_resolves() {
    // Not in the folder where somebody may have run it.
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = format!("output={}", folder.path().join("run").display());
    let output = xldistill()
        .args(["run", &quickstart(), "--dry-run", "train.epochs=2"])
        .arg(elsewhere)
        .output()
        .expect("starts");
    // Where the models are not there, that is said, too. A full disk is a warning, and no reason to fail.
    let said = said(&output);
    let (warnings, missing): (Vec<_>, Vec<_>) =
        said.lines().partition(|line| line.starts_with("warning: "));
    assert!(
        warnings.iter().all(|line| line.contains("disk: ")),
        "{said}"
    );
    assert_eq!(missing.is_empty(), output.status.success(), "{said}");
    assert!(missing.is_empty() || said.contains("models/"), "{said}");
    let text = String::from_utf8(output.stdout).expect("text");
    // The plan is comments: what is printed is a config.
    assert!(text.starts_with("# answer"), "{text}");
    let config: toml::Table = toml::from_str(&text).expect("TOML");
    assert_eq!(config["train"]["epochs"].as_integer(), Some(2));
    assert_eq!(
        config["train"]["seed"].as_integer(),
        Some(1),
        "the run's seed"
    );
    let instructions = config["data"]["instructions"][0].as_str().expect("a path");
    assert!(Path::new(instructions).is_file(), "{instructions}");
}

#[test]
fn the_example_of_native_text_resolves_and_has_passages() {
    let config = root().join("examples/native/por.toml");
    let mut program = xldistill();
    program.arg("run").arg(config).arg("--dry-run");
    let output = program.output().expect("starts");
    let missing = said(&output);
    assert!(!missing.contains("native text"), "{missing}");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("# passages     to do"), "{text}");
    let config: toml::Table = toml::from_str(&text).expect("TOML");
    let subsets = config["mix"]["subsets"].as_array().expect("subsets");
    assert_eq!(subsets.last(), Some(&"native".into()));
    let examples = config["reverse_instructions"]["examples"].as_array();
    assert_eq!(examples.map(Vec::len), Some(4));
}

#[test]
fn a_section_may_have_the_seed_zero() {
    let output = xldistill()
        .args(["run", &quickstart(), "--dry-run", "mix.seed=0"])
        .output()
        .expect("starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let config: toml::Table = toml::from_str(&text).expect("TOML");
    assert_eq!(config["mix"]["seed"].as_integer(), Some(0));
    assert_eq!(config["train"]["seed"].as_integer(), Some(1));
}

/// A folder with a config whose files are all there.
fn complete() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("writes");
    };
    write(
        "instructions.jsonl",
        "{\"question\": \"What?\", \"answer\": \"That.\"}\n",
    );
    let fixture = |name| fixtures::reference(name).canonicalize().expect("a fixture");
    write(
        "config.toml",
        &format!(
            r#"
model = "{}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
[translate]
engine = "nllb"
model = "{}"
[estimate_quality]
engine = "none"
"#,
            fixture("gguf/bpe.gguf").display(),
            fixture("m2m100/tiny").display()
        ),
    );
    folder
}

/// `xldistill … | head -1`
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = complete();
    let config = folder.path().join("config.toml").display().to_string();
    for arguments in [
        &["run", &config, "--dry-run"][..],
        &["plan", &quickstart(), "--shards", "5000"],
        &["config-reference"],
        &["completions", "bash"],
    ] {
        let mut child = xldistill()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let mut stdout = BufReader::with_capacity(16, child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        drop(stdout);
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert_eq!(said(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_stage_is_refused_with_those_of_the_configs_system() {
    for (option, stage) in [("--from", "adapt"), ("--until", "trian")] {
        let config = quickstart();
        let output = xldistill()
            .args(["run", &config, option, stage, "--dry-run"])
            .output()
            .expect("starts");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let told = format!("{stage} is no stage of the system sdrrl");
        let stages =
            "its stages: answer, translate, filter, code-switch, mix, train, evaluate, report";
        assert!(said(&output).contains(&told), "{}", said(&output));
        assert!(said(&output).contains(stages), "{}", said(&output));
    }
}

#[test]
fn a_plan_lists_shards_dependencies_and_commands() {
    let config = quickstart();
    let output = xldistill()
        .args([
            "plan",
            &config,
            "--json",
            "--shards",
            "2",
            "data.instructions=[\"a b.jsonl\"]",
        ])
        .output()
        .expect("starts");
    assert!(output.status.success(), "{}", said(&output));
    let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let stages = plan["stages"].as_array().expect("a list");
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|stage| stage["name"].as_str())
        .collect();
    let expected = [
        "answer",
        "translate",
        "filter",
        "code_switch",
        "mix",
        "train",
        "evaluate",
        "report",
    ];
    assert_eq!(names, expected);
    let (translate, train) = (&stages[1], &stages[5]);
    assert_eq!(translate["depends_on"], json!(["answer"]));
    let whole = format!("xldistill translate {config} 'data.instructions=[\"a b.jsonl\"]'");
    assert_eq!(
        translate["commands"],
        json!([
            format!("{whole} --shard 0/2"),
            format!("{whole} --shard 1/2")
        ])
    );
    assert_eq!(translate["merge"], json!(whole));
    assert_eq!(
        stages[3]["commands"][0]
            .as_str()
            .map(|c| c.starts_with("xldistill code-switch ")),
        Some(true)
    );
    assert_eq!(
        (&train["shardable"], &train["merge"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(train["commands"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_missing_is_found_before_the_first_stage() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("writes");
    };
    write(
        "instructions.jsonl",
        "{\"question\": \"What?\", \"answer\": \"That.\"}\n",
    );
    write("questions.jsonl", "{\"id\": 1, \"prompt\": \"Quem?\"}\n");
    write("pairs.tsv", "no tab\n");
    write(
        "config.toml",
        r#"
model = "somebody/llm"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[translate]
engine = "nllb"
model = "facebook/nllb-200-distilled-600M"
[estimate_quality]
engine = "none"
[code_switch]
dictionaries.por_Latn = ["none.txt"]
[evaluate]
questions.por_Latn = "questions.jsonl"
"#,
    );
    let config = folder.path().join("config.toml");
    let config = config.to_str().expect("a path");
    let run = xldistill().args(["run", config]).output().expect("starts");
    assert_eq!(run.status.code(), Some(1));
    let said = said(&run);
    for missing in [
        "hf download somebody/llm",
        "hf download facebook/nllb-200-distilled-600M --local-dir models/nllb-200-distilled-600M",
        "none.txt",
        "pairs.tsv",
        "no question: expected `question`, `text`, `instruction`; found id, prompt",
    ] {
        assert!(said.contains(missing), "{missing}: {said}");
    }
    let dry = xldistill().args(["run", config, "--dry-run"]).output();
    let dry = dry.expect("starts");
    assert_eq!(dry.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&dry.stderr), said);
    assert!(
        !folder.path().join("run").exists(),
        "something was begun: {said}"
    );

    let doctor = xldistill()
        .args(["doctor", config, "code_switch.dictionaries={}"])
        .output()
        .expect("starts");
    assert_eq!(doctor.status.code(), Some(1));
    let report = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        report.contains("FAILED  parallel text in por_Latn"),
        "{report}"
    );
    assert!(!report.contains("dictionary into"), "{report}");
}
