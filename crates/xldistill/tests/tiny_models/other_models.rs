//! Training that starts from the product of another training, and from a model of few positions.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::json_of;
use crate::tiny_run::{Folder, UP_TO_FILTER, row};

const RUN: &str = r#"model = "{{MODEL}}"
targets = ["por_Latn"]
output = "run"
"#;

const LATER: &str = r#"[mix]
subsets = ["LL", "mt"]
held_out_fraction = 0.3
test_fraction = 0.15
[train]
method = "lora"
lora_merge = true
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

fn folder(model: &str, answer: &str) -> Folder {
    let question = |n| row(n, &format!("What is number {n} of them?"), answer);
    let rows = (0..12).map(question).collect();
    let config = format!("{RUN}{UP_TO_FILTER}{LATER}");
    Folder::new(rows, &config.replace("MODEL", model))
}

#[test]
fn an_adapter_can_be_trained_on_and_is_found_from_elsewhere() {
    let folder = folder("gguf/bpe.gguf", "It is a number.");
    folder.xldistill("run", &["output=first"]);
    folder.xldistill("run", &["model=first/model", "output=second"]);
    let model = folder.path("second/model");
    let base = json_of(&model.join("adapter_config.json"))["base_model_name_or_path"].clone();
    let base = base.as_str().expect("a path");
    assert!(Path::new(base).is_absolute(), "{base}");
    let canonical = |path: &Path| path.canonicalize().expect("exists");
    assert_eq!(
        canonical(Path::new(base)),
        canonical(&folder.path("first/model"))
    );
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        assert!(model.join(file).is_file(), "{file}");
    }
    // Both stand on the adapter before, the merged model on nothing: they say the same.
    let perplexity = |model: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
            .args(["perplexity", "--json", "--model"])
            .arg(folder.path(model))
            .stdin(File::open(folder.path("held_out.tsv")).expect("opens"))
            .current_dir("/")
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{model}: {said}");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = lines.lines().next().expect("a line");
        let result: Value = serde_json::from_str(line).expect("JSON");
        result["perplexity"].as_f64().expect("a number")
    };
    let [adapter, merged] = ["second/model", "second/model-merged"].map(perplexity);
    assert!(
        (adapter / merged - 1.0).abs() < 0.02,
        "{adapter} and {merged}"
    );
}

/// GPT-2 has an embedding for 48 positions and no more.
#[test]
fn examples_longer_than_a_models_positions_are_left_out() {
    let folder = folder("gpt2/tied", "It is a number.");
    let mut rows = fs::read_to_string(folder.path("instructions.jsonl")).expect("rows");
    rows += &row(
        99,
        "Count!",
        &"one two three four five six seven eight nine ".repeat(20),
    );
    folder.write("instructions.jsonl", rows);
    let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}";
    let model = folder.path("gpt2");
    fs::create_dir(&model).expect("a folder");
    for file in fs::read_dir(fixtures::reference("gpt2/tied")).expect("a fixture") {
        let file = file.expect("a file");
        fs::copy(file.path(), model.join(file.file_name())).expect("copies");
    }
    fs::write(model.join("chat_template.jinja"), template).expect("writes");
    let (_, log) = folder.xldistill("run", &["model=gpt2", "mix.generated_fraction=0"]);
    assert!(
        log.contains("more than 48 tokens and are left out"),
        "{log}"
    );
    let summary = json_of(&folder.path("run/train/manifest.json"));
    assert!(
        summary["summary"]["dropped_examples"].as_u64() > Some(0),
        "{summary}"
    );
}
