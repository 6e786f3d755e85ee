//! `examples/paper` is the configuration of the paper.

use std::process::{Command, Output};

fn xldistill(arguments: &[&str]) -> Output {
    let config = fixtures::repository().join("examples/paper/ind.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    command.arg(arguments[0]).arg(config).args(&arguments[1..]);
    command.output().expect("it runs")
}

/// The config with all keys that `arguments` resolve to.
fn resolved(arguments: &[&str]) -> toml::Table {
    let output = xldistill(&[&["run", "--dry-run"], arguments].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // The files that it names are not here, which a dry run says after it has shown the config.
    assert_eq!(output.status.code(), Some(1));
    text.parse().expect("TOML")
}

#[test]
fn the_example_has_the_settings_of_the_paper() {
    let config = resolved(&[]);
    let value = |path: &str| {
        let (section, key) = path.split_once('.').expect("a section");
        config[section][key].clone()
    };
    for (key, expected) in [
        ("translate.engine", toml::Value::from("nllb")),
        ("translate.beam_size", 4.into()),
        ("identify.engine", "cld3".into()),
        ("estimate_quality.engine", "cometkiwi".into()),
        ("filter.min_quality", 0.8.into()),
        ("code_switch.probability", 0.15.into()),
        ("mix.sampling", "one-of-two".into()),
        ("mix.generated_fraction", 0.5.into()),
        ("mix.parallel_pairs", 1000.into()),
        ("mix.answer_directive", "none".into()),
        ("train.epochs", 4.into()),
        ("train.measure", vec!["off-target"].into()),
        ("evaluate.bleu_tokenizer", "flores200".into()),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert_eq!(config["method"], "sdrrl".into());
    assert_eq!(config["template"], "alpaca".into());
    assert_eq!(value("mix.subsets").as_array().map(Vec::len), Some(6));

    let baseline = resolved(&["method=t-sft"]);
    let subsets = toml::Value::from(vec!["LL", "TT"]);
    assert_eq!(baseline["mix"]["subsets"], subsets);
    assert_eq!(baseline["mix"]["generated_fraction"], 0.0.into());
}

#[test]
fn doctor_says_which_of_its_files_are_missing() {
    let output = xldistill(&["doctor"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for missing in [
        "alpaca_data.json",
        "llama-2-7b",
        "nllb-200-3.3B",
        "wmt22-cometkiwi-da",
        "wmt22-comet-da",
        "lang_id_nn_params.cc",
        "opus.en-id-train.en",
        "en-id.txt",
    ] {
        assert!(said.contains(missing), "{missing}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}
