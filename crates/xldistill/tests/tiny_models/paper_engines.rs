//! A run with the paper's own engines, all named in the config: NLLB-200, CometKiwi and CLD3, and
//! LoRA; the report says who did what.

use std::fs;

use crate::json_of;
use crate::tiny_run::{Folder, row};

const CONFIG: &str = r#"
model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "{{m2m100/tiny}}"
precision = "int8"
beam_size = 1
early_stopping = "at-once"
max_new_tokens = 16
[identify]
engine = "cld3"
model = "{{cld3/tiny_params.cc}}"
[estimate_quality]
engine = "cometkiwi"
model = "{{comet/kiwi}}"
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
"#;

#[test]
fn a_config_names_the_papers_engines() {
    let question = |n| {
        row(
            n,
            &format!("What is number {n} of them?"),
            "It is a fine number.",
        )
    };
    let folder = Folder::new((0..12).map(question).collect(), CONFIG);
    let (_, log) = folder.xldistill("run", &[]);

    let run = folder.path("run");
    let read = |name: &str| json_of(&run.join(name));
    let adapter = read("model/adapter_config.json");
    assert_eq!(adapter["peft_type"], "LORA", "{adapter}");
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
