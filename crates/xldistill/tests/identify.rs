//! `xldistill identify` with every engine: codes and probabilities, and what is missing.

use std::process::{Command, Output};

fn reference(path: &str) -> String {
    format!("{}/../../reference/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn identify(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    fixtures::fed(command.arg("identify").args(arguments), input)
}

fn lines(output: &Output) -> Vec<String> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(String::from).collect()
}

const TEXTS: &str = "Everybody knows that the children were playing with their friends when the weather changed.\n1969\n\nParis\n";

#[test]
fn whatlang_needs_no_model() {
    let found = lines(&identify(&[], TEXTS));
    assert!(found[0].starts_with("eng_Latn\t"), "{found:?}");
    assert_eq!(found[1..], ["und\t0.0000"; 3]);
    let native = lines(&identify(&["--native-codes"], TEXTS));
    assert!(native[0].starts_with("eng\t"), "{native:?}");
}

#[test]
fn a_file_as_argument_is_shown_the_way() {
    let file = reference("README.md");
    let refused = identify(&[&file], "");
    let said = String::from_utf8_lossy(&refused.stderr)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(refused.status.code(), Some(2), "{said}");
    let way = format!("identify reads standard input: xldistill identify … < {file}");
    assert!(said.contains(&way), "{said}");
    let refused = identify(&["no file"], "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(!said.contains("standard input"), "{said}");
}

#[test]
fn native_codes_are_the_engines_own_and_never_abstain() {
    let expected = std::fs::read_to_string(reference("cld3/expected.json")).expect("the fixture");
    let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
    let texts = expected["texts"].as_array().expect("texts");
    let single: Vec<usize> = (0..texts.len())
        .filter(|&i| !texts[i].as_str().unwrap_or("\n").contains(['\n', '\r']))
        .collect();
    let input: String = single
        .iter()
        .map(|&i| format!("{}\n", texts[i].as_str().unwrap_or_default()))
        .collect();
    let model = reference("cld3/tiny_params.cc");
    let found = lines(&identify(
        &["--engine", "cld3", "--model", &model, "--native-codes"],
        &input,
    ));
    assert_eq!(found.len(), single.len());
    for (line, &text) in found.iter().zip(&single) {
        let (label, probability) = line.split_once('\t').expect("a tab");
        assert_eq!(expected["tiny"][text][0], label);
        let reference = expected["tiny"][text][1].as_f64().expect("a number");
        let probability: f64 = probability.parse().expect("a number");
        assert!((probability - reference).abs() < 1e-3, "{line}");
    }
}

#[test]
fn fasttext_answers_in_flores_codes() {
    let model = reference("fasttext/softmax.ftz");
    let text = "A padaria da esquina abre cedo e fecha quando o pão acaba.\n1969\n";
    let found = lines(&identify(
        &["--engine", "fasttext", "--model", &model],
        text,
    ));
    assert!(found[0].starts_with("por_Latn\t0."), "{found:?}");
    assert_eq!(found[1], "und\t0.0000");
    let json = lines(&identify(
        &["--engine", "fasttext", "--model", &model, "--json"],
        text,
    ));
    assert!(json[0].contains(r#""language":"por_Latn""#), "{json:?}");
}

#[test]
fn what_is_missing_is_named() {
    for (arguments, expected) in [
        (&["--engine", "cld3"][..], "lang_id_nn_params.cc"),
        (&["--engine", "fasttext"], "lid.176.ftz"),
        (&["--model", "x"], "whatlang takes no model"),
        (&["--engine", "cld3", "--model", "none.cc"], "none.cc"),
        (&["--engine", "fasttext", "--model", "none.ftz"], "none.ftz"),
    ] {
        let output = identify(arguments, "text\n");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && error.contains(expected),
            "{arguments:?}: {error}"
        );
    }
}
