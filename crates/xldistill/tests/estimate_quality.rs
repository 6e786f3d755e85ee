//! `xldistill estimate-quality` on the tiny metrics of `reference/comet`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn folder(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference/comet")
        .join(variant)
}

/// What the program says of a fixture's samples, and the scores of the reference.
fn run(variant: &str, reference: bool, more: &[&str]) -> (Output, Vec<f64>) {
    let text = std::fs::read_to_string(folder(variant).join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let texts = tempfile::tempdir().unwrap();
    let file = |key: &str| {
        let lines: Vec<&str> = expected["samples"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sample| sample[key].as_str().unwrap())
            .collect();
        let path = texts.path().join(key);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    command
        .arg("estimate-quality")
        .arg("--model")
        .arg(folder(variant))
        .arg("--source")
        .arg(file("src"))
        .arg("--translation")
        .arg(file("mt"))
        .args(more);
    if reference {
        command.arg("--reference").arg(file("ref"));
    }
    let scores = expected["scores"].as_array().unwrap();
    let scores = scores.iter().map(|score| score.as_f64().unwrap());
    (command.output().unwrap(), scores.collect())
}

fn assert_scores(output: &Output, expected: &[f64], score: impl Fn(&str) -> f64) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let found: Vec<f64> = out.lines().map(score).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5,
            "{found} instead of {expected}"
        );
    }
}

#[test]
fn a_score_a_line() {
    let (output, expected) = run("kiwi", false, &[]);
    assert_scores(&output, &expected, |line| line.parse().unwrap());
    let (output, expected) = run("comet", true, &[]);
    assert_scores(&output, &expected, |line| line.parse().unwrap());
}

#[test]
fn a_json_object_a_line() {
    let (output, expected) = run("kiwi", false, &["--json"]);
    assert_scores(&output, &expected, |line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["source"].is_string() && line["translation"].is_string());
        line["score"].as_f64().unwrap()
    });
}

#[test]
fn a_metric_that_needs_references_says_so() {
    let (output, _) = run("comet", false, &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("wmt22-cometkiwi-da"), "{error}");
}
