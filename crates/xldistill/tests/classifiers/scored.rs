//! The evaluation, and scores from the command line.

use std::process::Command;

use evaluation::classification::ACCURACY;

use crate::made::{LANGUAGES, evaluated, made};

#[test]
fn every_system_classifies_every_language_that_it_can() {
    let results = &made().results;
    assert_eq!(results.sets.len(), LANGUAGES.len());
    for set in &results.sets {
        let systems: Vec<&str> = set.systems.keys().map(String::as_str).collect();
        match set.language.code.as_str() {
            "por_Latn" => assert_eq!(
                systems,
                ["encoder-alone", "llm-zero-shot", "mt-llm", "translate-test"]
            ),
            _ => assert_eq!(systems, ["encoder-alone", "llm-zero-shot", "mt-llm"]),
        }
        assert_eq!(set.rows, 64, "{}", set.language.code);
        for scores in set.systems.values() {
            let counted: u64 = scores.confusion.iter().flatten().sum();
            assert_eq!(counted, 64);
            let right: u64 = (0..set.labels.len())
                .map(|label| scores.confusion[label][label])
                .sum();
            let accuracy = scores.measure(ACCURACY).expect("an accuracy").score;
            assert!((accuracy - right as f64 / 64.0).abs() < 1e-12);
        }
    }
    let english = results
        .sets
        .iter()
        .find(|set| set.language.code == "eng_Latn");
    let english = english.expect("English");
    let learnt = english.systems["llm-zero-shot"]
        .measure(ACCURACY)
        .expect("a score")
        .score;
    assert!(
        learnt > english.chance.majority + 0.1,
        "the LLM learnt its task: {learnt}"
    );
}

#[test]
fn what_was_predicted_is_not_predicted_again() {
    let made = made();
    let again = evaluated(&made.path()).expect("reads back");
    assert_eq!(again, made.results);
}

#[test]
fn labels_are_scored_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    };
    let references = write("gold.txt", "yes\nno\nno\nmaybe\n");
    let hypotheses = write("said.txt", "yes\nno\nyes\nno\n");
    let score = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        command.arg("score").args(arguments);
        command
            .arg("--references")
            .arg(&references)
            .arg("--hypotheses")
            .arg(&hypotheses);
        let output = command.output().expect("starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    };
    let line = score(&["accuracy"]);
    assert!(
        line.starts_with("accuracy|nrefs:1|") && line.ends_with("= 0.5000 (2 of 4)\n"),
        "{line}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&score(&["macro-f1", "--json"])).expect("JSON");
    // F1 of yes: 2/3; of no: 1/2; of maybe: 0.
    let f1 = (2.0 / 3.0 + 0.5 + 0.0) / 3.0;
    assert!(
        (json["score"].as_f64().expect("a score") - f1).abs() < 1e-9,
        "{json}"
    );
    assert_eq!(json["name"], "macro-F1");
}
