//! A whole run with the paper's own engines, all named in the config: NLLB-200, CometKiwi and CLD3
//! on the tiny random models of `reference`, and LoRA. What it learns is nonsense; that every part
//! is reached, and that the report says who did what, is not.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

fn reference(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference");
    path.join(name).display().to_string()
}

#[test]
fn a_config_names_the_papers_engines() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        fs::write(folder.path().join(name), text).expect("writes");
    };
    let questions = |count: usize| -> String {
        let row = |n: usize| {
            let question = format!("What is number {n} of them?");
            let row = json!({ "id": n.to_string(), "question": question, "answer": "It is a fine number." });
            format!("{row}\n")
        };
        (0..count).map(row).collect()
    };
    write("instructions.jsonl", questions(12));
    let held_out =
        json!({ "id": "0", "question": "Who sells red apples here?", "answer": "A woman." });
    write("held_out.jsonl", format!("{held_out}\n"));
    write(
        "pairs.tsv",
        "One house.\tUma casa.\nTwo houses.\tDuas casas.\n".into(),
    );
    write("held_out.tsv", "The sea is blue.\tO mar é azul.\n".into());
    write(
        "config.toml",
        format!(
            r#"
model = "{llm}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "{nllb}"
precision = "int8"
beam_size = 1
early_stopping = "at-once"
max_new_tokens = 16
[identify]
engine = "cld3"
model = "{cld3}"
[estimate_quality]
engine = "cometkiwi"
model = "{kiwi}"
[filter]
min_quality = -1e9
max_length_ratio = 1e9
max_sentence_ratio = 1e9
max_word_length = 1000000
max_lost_numbers = 1
min_script_share = 0
min_language_probability = 1.1
[train]
method = "lora"
precision = "bf16"
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
questions.por_Latn = "held_out.jsonl"
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#,
            llm = reference("gguf/bpe.gguf"),
            nllb = reference("m2m100/tiny"),
            cld3 = reference("cld3/tiny_params.cc"),
            kiwi = reference("comet/kiwi"),
        ),
    );
    let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
        .arg("run")
        .arg(folder.path().join("config.toml"))
        .output()
        .expect("starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");

    let run = folder.path().join("run");
    let adapter = fs::read_to_string(run.join("model/adapter_config.json")).expect("an adapter");
    assert!(adapter.contains("\"LORA\""), "{adapter}");
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(run.join(name)).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    };
    let translate = read("translate/manifest.json").to_string();
    assert!(
        translate.contains("\"nllb\"") && translate.contains("int8"),
        "{translate}"
    );
    let filter = read("filter/manifest.json").to_string();
    assert!(
        filter.contains("cometkiwi") && filter.contains("cld3"),
        "{filter}"
    );
    // Every engine let something through, so that the LLM learnt from translations.
    let mix = fs::read_to_string(run.join("mix/part-00000-of-00001.jsonl")).expect("the mix");
    assert!(
        mix.contains("\"TT\"") && mix.contains("\"mt\""),
        "{log}\n{mix}"
    );
    let report = read("report.json");
    assert!(
        report["scores"]
            .as_array()
            .is_some_and(|scores| !scores.is_empty())
    );
}
