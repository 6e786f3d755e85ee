//! `xldistill score`: several systems with intervals and paired tests, short answers, and what is
//! refused.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn score(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    program
        .arg("score")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("starts")
}

fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = score(folder, arguments);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {log}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = score(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A pipe is empty when it is read again.
#[cfg(unix)]
#[test]
fn references_may_come_from_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let text = "the house stands on the hill\nthe dog sleeps in it\n";
    fs::write(folder.join("text"), text).expect("writes");
    for (metric, best) in [
        ("bleu", 100.0),
        ("chrf", 100.0),
        ("ter", 0.0),
        ("rouge", 100.0),
        ("accuracy", 1.0),
        ("macro-f1", 1.0),
    ] {
        let files = [
            "--references",
            "/dev/stdin",
            "--hypotheses",
            "text",
            "--json",
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
            .args([&["score", metric], &files[..]].concat())
            .current_dir(folder)
            .stdin(piped(text))
            .output()
            .expect("starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{metric}: {log}");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let score = found["score"].as_f64().expect("a score");
        assert!((score - best).abs() < 1e-9, "{metric}: {found}");
    }
}

/// A pipe that holds `text`.
#[cfg(unix)]
fn piped(text: &str) -> Stdio {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // Less than a pipe's buffer, so that writing does not wait for a reader.
    writer.write_all(text.as_bytes()).expect("writes");
    reader.into()
}

#[test]
fn bleu_of_saved_outputs_takes_the_tokenizer_of_their_language() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (hypotheses, references) = (
        ["猫が好きです。", "犬は走る。"],
        ["猫が大好きです。", "犬が走る。"],
    );
    let samples: String = (hypotheses.iter().zip(references).enumerate())
        .map(|(id, (output, target))| {
            let sample = serde_json::json!({
                "doc_id": id, "doc": {}, "target": target, "resps": [[output]],
                "filtered_resps": [output], "statistics": {},
            });
            format!("{sample}\n")
        })
        .collect();
    fs::write(folder.join("samples.jsonl"), samples).expect("writes");
    fs::write(folder.join("ref"), references.join("\n")).expect("writes");
    fs::write(folder.join("hyp"), hypotheses.join("\n")).expect("writes");
    let saved = printed(folder, &["bleu", "--samples", "samples.jsonl", "--json"]);
    let files = [
        "bleu",
        "--references",
        "ref",
        "--hypotheses",
        "hyp",
        "--json",
    ];
    let found: Value = serde_json::from_str(&saved).expect("JSON");
    assert_eq!(saved, printed(folder, &files));
    let by_character = [&files[..], &["--tokenizer", "char"]].concat();
    assert_eq!(saved, printed(folder, &by_character));
    assert!(found["score"].as_f64().expect("a score") > 1.0, "{found}");
}

#[test]
fn systems_are_scored_side_by_side_and_tested_against_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let lines = |words: [&str; 2]| -> String {
        (0..40)
            .map(|n| format!("{} {n} {} on the {}\n", words[0], words[1], n % 7))
            .collect()
    };
    let texts = [
        ("ref", ["house", "stands"]),
        ("same", ["house", "stands"]),
        ("worse", ["hut", "lies"]),
    ];
    for (name, words) in texts {
        fs::write(folder.join(name), lines(words)).expect("writes");
    }
    let files = ["--references", "ref", "--hypotheses", "same", "worse"];
    for (metric, best) in [
        ("bleu", 100.0),
        ("chrf", 100.0),
        ("ter", 0.0),
        ("rouge", 100.0),
    ] {
        for test in ["bs", "ar"] {
            let options = ["--resamples", "200", "--paired", test, "--json"];
            let found = printed(folder, &[&[metric], &files[..], &options[..]].concat());
            let found: Value = serde_json::from_str(&found).expect("JSON");
            assert_eq!(found[0]["system"], "same");
            assert!(
                (found[0]["score"].as_f64().expect("a score") - best).abs() < 1e-9,
                "{found}"
            );
            assert!(found[0]["p_value"].is_null());
            assert_ne!(found[1]["score"], found[0]["score"]);
            assert!(
                found[1]["p_value"].as_f64().expect("a p-value") < 0.01,
                "{found}"
            );
            let [low, high] = ["confidence_low", "confidence_high"]
                .map(|key| found[1][key].as_f64().expect("an interval"));
            assert!(low <= high, "{found}");
        }
    }
    let one = printed(
        folder,
        &[
            "ter",
            "--references",
            "ref",
            "--hypotheses",
            "worse",
            "--case-sensitive",
        ],
    );
    assert!(
        one.starts_with("TER|nrefs:1|case:mixed|tok:tercom|norm:no|punct:yes|asian:no|"),
        "{one}"
    );
}

#[test]
fn short_answers_are_scored_and_bad_lines_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let write = |text: &str| fs::write(folder.join("answers.jsonl"), text).expect("writes");
    let mkqa = ["mkqa", "--predictions", "answers.jsonl", "--language", "en"];
    write(
        "{\"answers\": [\"Lake Como\", \"Como\"], \"prediction\": \"the lake Como!\"}\n\
         {\"answers\": [\"1984\"], \"prediction\": \"\"}\n\
         {\"answers\": [], \"prediction\": \"x\"}\n",
    );
    let found = printed(folder, &mkqa);
    assert!(
        found.contains("F1|norm:mkqa|lang:eng_Latn") && found.contains("= 50.00"),
        "{found}"
    );
    assert!(
        found.contains("2 questions; 1 without a correct answer left out"),
        "{found}"
    );
    let json: Value =
        serde_json::from_str(&printed(folder, &[&mkqa[..], &["--json"]].concat())).expect("JSON");
    assert_eq!(
        (&json[1]["name"], &json[1]["questions"]),
        (&"exact match".into(), &2.into())
    );

    write("{\"answer\": [\"a\"], \"prediction\": \"a\"}\n");
    let error = refused(folder, &mkqa);
    assert!(
        error.contains(
            "answers.jsonl:1: no field `answers`: a list of texts; found answer, prediction"
        ),
        "{error}"
    );
    write("{\"answers\": [\"a\"], \"prediction\": 3}\n");
    assert!(refused(folder, &mkqa).contains("`prediction` must be a text, not 3"));
    write("{\"answers\": [null, 4], \"prediction\": \"a\"}\n");
    assert!(refused(folder, &mkqa).contains("an answer must be a text, not 4"));
    let error = refused(folder, &["bleu", "--samples", "answers.jsonl"]);
    assert!(
        error.contains("answers.jsonl:1: no sample of an evaluation"),
        "{error}"
    );
}
