//! The config file, read by the program itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::runner::{Reader, written};
use crate::text;

/// Runs the program in a folder, with at most 8 GB of memory; a panic or an abort is a failure, an
/// error is not. Whether it succeeded.
pub fn program(folder: &Path, arguments: &[&str]) -> bool {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "ulimit -c 0; ulimit -v 8000000; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_xldistill"),
    ]);
    shell
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = shell.output().expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0..=2)) && !said.contains("panicked at"),
        "{arguments:?}: {}: {said}",
        output.status
    );
    output.status.success()
}

const SDRRL: &str = r#"model = "MODEL"
targets = ["por_Latn"]
output = "run"
seed = 1
[data]
instructions = ["a.jsonl"]
parallel.por_Latn = { path = "pairs.tsv", columns = [1, 2] }
max_rejected_fraction = 0.2
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "NLLB"
beam_size = 1
[filter]
max_length_ratio = 2.5
[train]
method = "lora"
lora_targets = ["q_proj", "v_proj"]
learning_rate = "auto"
epochs = 2
[evaluate]
limit = 3
[[evaluate.benchmarks]]
name = "belebele"
path = "belebele"
shots = 0
"#;

const MT_LLM: &str = r#"system = "mt-llm"
model = "MODEL"
output = "run"
[encoder]
path = "ENCODER"
[reading]
max_length = 48
[text]
files = ["text.txt"]
[llm2vec.mntp]
mask_token = "e"
training = { max_steps = 4, learning_rate = 1e-3, lora_targets = ["q_proj"] }
[tasks.topics]
train = ["train.tsv"]
validation = ["train.tsv"]
test.eng_Latn = "train.tsv"
[classify.training]
epochs = 4
[baselines]
fine_tuned_stack = true
"#;

const BELEBELE: &str = "{\"flores_passage\": \"P.\", \"question\": \"Q?\", \"mc_answer1\": \"a\", \"mc_answer2\": \"b\", \"mc_answer3\": \"c\", \"mc_answer4\": \"d\", \"correct_answer_num\": \"2\", \"link\": \"l\", \"question_number\": 1, \"dialect\": \"por_Latn\"}\n";

#[test]
fn config_toml() {
    let model = fixtures::reference("mt_llm/llama").display().to_string();
    let nllb = fixtures::reference("m2m100/tiny").display().to_string();
    let named = |config: &str| {
        config
            .replace("MODEL", &model)
            .replace("NLLB", &nllb)
            .replace("ENCODER", &nllb)
    };
    let with = |config: &str| {
        written(&[
            ("config.toml", &named(config)),
            (
                "a.jsonl",
                "{\"question\": \"What is it?\", \"answer\": \"A house.\"}\n",
            ),
            ("text.txt", "A house.\nThe sea.\n"),
            ("belebele/por_Latn.jsonl", BELEBELE),
            ("belebele/eng_Latn.jsonl", &BELEBELE.replace("por_", "eng_")),
            ("pairs.tsv", "One house.\tUma casa.\n"),
            (
                "train.tsv",
                "text\tlabel\nA house.\tplace\nAn egg.\tthing\n",
            ),
        ])
    };
    Reader {
        name: "config_toml",
        seeds: vec![with(SDRRL), with(MT_LLM)],
        inputs: 20,
        memory: 64 << 20,
        change: &|chance, files, _| {
            let content = files.get_mut("config.toml").expect("a file");
            text::change(
                chance,
                content,
                &[
                    "=",
                    "[",
                    "]",
                    "\"",
                    "'''",
                    "[[",
                    "]]",
                    "{",
                    "}",
                    "-1",
                    "1e999",
                    "nan",
                    "0x",
                    "true",
                    "../",
                    "hf:",
                    "\\u0000",
                    "model",
                    "output = \"/\"",
                    "9223372036854775807",
                ],
            );
        },
        read: &|folder| program(folder, &["run", "config.toml", "--dry-run"]),
    }
    .fuzz();
}
