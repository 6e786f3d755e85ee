//! `predict` and `export-embeddings` on finished models.

use std::fs;
use std::process::{Command, Output};

use super::{Run, classifier, mt_llm, tiny};
use serde_json::{Value, json};

fn fed(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    fixtures::fed(command.args(arguments), input)
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

#[test]
fn every_line_gets_a_label_whatever_is_beside_it() {
    let run = Run::new(&classifier(&tiny("bert")));
    run.succeed(&["classify"]);
    let model = run.path("run/model").display().to_string();
    let predict = |extra: &[&str], input: &str| {
        let arguments = [&["predict", "--model", &model], extra].concat();
        fed(&arguments, input)
    };
    let text = "The market opens at nine.\nA locked box and bread.\nThe sea carry sand.\n";
    let output = predict(&[], text);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let together = lines(&output);
    assert_eq!(together.len(), 3);
    for line in &together {
        let found = line["probabilities"].as_object().expect("by label");
        let sum: f64 = found.values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
        let best = found
            .iter()
            .max_by(|a, b| a.1.as_f64().partial_cmp(&b.1.as_f64()).expect("numbers"));
        assert_eq!(line["label"], json!(best.expect("labels").0));
    }
    let alone = lines(&predict(&["--batch-size", "1"], text));
    for (one, other) in together.iter().zip(&alone) {
        let place = |line: &Value| line["probabilities"]["place"].as_f64().expect("a number");
        assert!((place(one) - place(other)).abs() < 1e-5);
    }
    // A line without a text keeps its place.
    let output = predict(&[], "The market opens at nine.\n\nThe sea carry sand.\n");
    assert_eq!(output.status.code(), Some(1));
    let found = lines(&output);
    assert_eq!(found.len(), 3);
    assert_eq!(
        found[1],
        json!({ "label": null, "error": "the text is empty" })
    );
    assert_eq!(found[0]["label"], together[0]["label"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 3 lines"));
    // Rows of JSON keep their identifier.
    let output = predict(
        &["--jsonl"],
        "{\"id\": 5, \"text\": \"The market opens at nine.\"}\n",
    );
    assert_eq!(lines(&output)[0]["id"], json!(5));
    assert_eq!(lines(&output)[0]["label"], together[0]["label"]);
    // A pair is nothing for a task of single texts, whether all lines are pairs or one of them.
    let output = predict(&["--pairs"], "The market opens.\tThe sea.\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the task reads single texts; leave out --pairs"),
        "{said}"
    );
    let output = predict(
        &["--jsonl"],
        "{\"first\": \"The market.\", \"second\": \"The sea.\"}\n",
    );
    assert_eq!(
        lines(&output)[0],
        json!({ "label": null, "error": "the task reads single texts" })
    );
    // Wrong arguments.
    let output = predict(&["--task", "sentiment"], "x\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("no task `sentiment`") && said.contains("topics"),
        "{said}"
    );
    let output = fed(&["predict", "--model", &tiny("bert")], "x\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("xldistill.json does not exist"), "{said}");
}

#[test]
fn a_classifier_of_pairs_reads_pairs_only() {
    let run = Run::new(&classifier(&tiny("bert")));
    for file in ["train.tsv", "validation.tsv", "test.tsv"] {
        let text = fs::read_to_string(run.path(file)).expect("reads");
        let paired = text
            .replace("\t", "\tThe sea.\t")
            .replacen("The sea.", "second", 1);
        fs::write(run.path(file), paired).expect("writes");
    }
    run.succeed(&["run", "tasks.topics.columns.pair=[\"text\", \"second\"]"]);
    let model = run.path("run/model").display().to_string();
    let predict = |extra: &[&str], input: &str| {
        fed(&[&["predict", "--model", &model], extra].concat(), input)
    };
    let pairs = "The market opens.\tThe sea.\nno tab\nThe market.\tThe sea.\tneutral\n";
    let found = lines(&predict(&["--pairs"], pairs));
    assert!(found[0]["label"].is_string());
    let error = |line: &Value| line["error"].as_str().expect("an error").to_owned();
    assert!(error(&found[1]).contains("tab"));
    // The label of a file of XNLI's is not read as text.
    assert_eq!(error(&found[2]), "3 columns, expected 2");
    let output = predict(&[], pairs);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the task reads pairs of texts; name --pairs"),
        "{said}"
    );
    // Card and report say so, too.
    for (file, command) in [
        (
            "run/model/README.md",
            "--model THIS_DIRECTORY --pairs &lt; pairs.tsv",
        ),
        (
            "run/report.html",
            "--model run/model --pairs &lt; pairs.tsv",
        ),
    ] {
        let text = fs::read_to_string(run.path(file))
            .expect("reads")
            .replace("< pairs", "&lt; pairs");
        assert!(text.contains(command), "{file}");
    }
}

#[test]
fn embeddings_of_a_stack_are_exported_with_the_merged_llm() {
    let run = Run::new(&mt_llm());
    run.succeed(&["run", "--until", "adapt", "adapt.training.max_steps=2"]);
    let model = run.path("run/adapt/model").display().to_string();
    let (output, llm) = (run.path("embeddings"), run.path("llm"));
    let (output, llm) = (output.display().to_string(), llm.display().to_string());
    let arguments = [
        "export-embeddings",
        "--model",
        &model,
        "--output",
        &output,
        "--llm",
        &llm,
    ];
    let done = fed(&arguments, "The market opens at nine.\nThe sea.\n");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for name in ["1.safetensors", "2.safetensors"] {
        let bytes = std::fs::read(run.path("embeddings").join(name)).expect("a file");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
        let shape = header["prompt_embeds"]["shape"]
            .as_array()
            .expect("a shape");
        let config =
            std::fs::read(fixtures::reference("mt_llm/llama/config.json")).expect("a config");
        let config: Value = serde_json::from_slice(&config).expect("JSON");
        assert_eq!(shape[1], config["hidden_size"], "{header}");
    }
    assert!(run.path("llm/config.json").is_file());
    // A classifier without an encoder has no embeddings to export.
    let alone = Run::new(&classifier(&tiny("llama")));
    alone.succeed(&["classify"]);
    let model = alone.path("run/model").display().to_string();
    let unwritten = alone.path("llm");
    let done = fed(
        &[
            "export-embeddings",
            "--model",
            &model,
            "--output",
            &output,
            "--llm",
            &unwritten.display().to_string(),
        ],
        "x\n",
    );
    assert!(
        !unwritten.exists(),
        "an LLM was written before that was said"
    );
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("is no stack on an encoder"), "{said}");
}
