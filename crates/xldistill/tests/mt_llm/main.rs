//! Whole runs of MT-LLM and of classifiers alone on tiny random models: every stage, resumption after
//! a kill, wrong configs, and predictions of the result. Needs no model that is not in `reference/`.

mod grid;
mod predictions;
mod refusals;
mod resuming;
mod runs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Sentences of two topics, of words that the tiny tokenizers know.
const SENTENCES: [(&str, &str); 16] = [
    (
        "The library opens at nine and closes when the last reader has gone home.",
        "place",
    ),
    (
        "Rivers carry sand to the sea; the sea builds beaches from it.",
        "place",
    ),
    ("Many people walked home from the market.", "place"),
    ("The sea carry sand to the library.", "place"),
    ("Three friends walked to the market.", "place"),
    ("The last reader walked home from the sea.", "place"),
    ("The market opens at nine.", "place"),
    ("Rivers carry people to the library.", "place"),
    ("A kind word costs nothing.", "thing"),
    ("Three friends bought bread, apples and 12 eggs.", "thing"),
    ("The last reader bought a locked box and bread.", "thing"),
    ("Friends keep no eggs in the locked box.", "thing"),
    ("Many people keep a box in no hurry.", "thing"),
    ("Apples and eggs costs nothing.", "thing"),
    ("A locked box and 12 apples.", "thing"),
    ("People keep a kind word in a box.", "thing"),
];

/// A folder with data, and the config of a run in it.
struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    /// A folder with `config` and the data of the task `topics`.
    fn new(config: &str) -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writes");
        let rows = |rows: &[(&str, &str)]| -> String {
            let rows = rows
                .iter()
                .map(|(text, label)| format!("{text}\t{label}\n"));
            "text\tlabel\n".to_owned() + &rows.collect::<String>()
        };
        let lines = |count: usize| -> String {
            let lines = SENTENCES.iter().cycle().take(count).enumerate();
            lines
                .map(|(at, (text, _))| format!("{text} {at}\n"))
                .collect()
        };
        write("train.tsv", &rows(&SENTENCES[1..15]));
        write("validation.tsv", &rows(&SENTENCES[4..12]));
        write(
            "test.tsv",
            &rows(&[SENTENCES[0], SENTENCES[15], SENTENCES[3]]),
        );
        write("text.txt", &lines(40));
        write("eng.txt", &lines(5));
        write("config.toml", config);
        Run { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        command
            .arg(arguments[0])
            .arg(self.path("config.toml"))
            .args(&arguments[1..])
            .env("RAYON_NUM_THREADS", "2");
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it starts")
    }

    /// Runs and returns what was said on standard error.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    /// Fails with the exit code and returns what was said on standard error.
    fn fail(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_slice(&text).expect("JSON")
    }
}

fn tiny(model: &str) -> String {
    fixtures::reference("mt_llm")
        .join(model)
        .display()
        .to_string()
}

/// An MT-LLM run of a few steps in each stage.
fn mt_llm() -> String {
    format!(
        r#"
system = "mt-llm"
model = "{}"
output = "run"
seed = 7
[encoder]
path = "{}"
[reading]
max_length = 48
[text]
files = ["text.txt"]
[retrieval]
eng_Latn = "eng.txt"
deu_Latn = "eng.txt"
[llm2vec.mntp]
held_out = 4
mask_token = "e"
training = {{ max_steps = 4, items_per_step = 4, learning_rate = 1e-3, evaluate_every = 2 }}
[llm2vec.simcse]
held_out = 4
training = {{ max_steps = 4, items_per_step = 4, learning_rate = 1e-3, evaluate_every = 2 }}
[adapt]
held_out = 6
projection_learning_rate = 1e-2
training = {{ epochs = 2, items_per_step = 4, learning_rate = 1e-3, checkpoint_every = 3 }}
[tasks.topics]
train = ["train.tsv"]
validation = ["validation.tsv"]
test.eng_Latn = "test.tsv"
test.deu_Latn = "test.tsv"
[classify.training]
epochs = 4
items_per_step = 4
learning_rate = 1e-3
checkpoint_every = 2
[distill.training]
epochs = 4
items_per_step = 4
learning_rate = 1e-3
checkpoint_every = 2
[baselines]
fine_tuned_stack = true
"#,
        tiny("llama"),
        tiny("xlm_roberta")
    )
}

/// A classifier on the model at `path`.
fn classifier(path: &str) -> String {
    format!(
        r#"
system = "classify"
model = "{path}"
output = "run"
[reading]
max_length = 48
[tasks.topics]
train = ["train.tsv"]
validation = ["validation.tsv"]
test.eng_Latn = "test.tsv"
[classify.training]
epochs = 3
items_per_step = 4
learning_rate = 1e-3
"#
    )
}

/// All files below `folder` whose bytes must not depend on how often a run was interrupted: models
/// and predictions.
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !name.starts_with("checkpoint") && name != "best" {
                folders.push(path);
            } else if name.ends_with(".safetensors")
                || (name.ends_with(".jsonl")
                    && name != "metrics.jsonl"
                    && name != "evaluations.jsonl")
            {
                found.push((path.display().to_string(), fs::read(&path).expect("reads")));
            }
        }
    }
    found.sort();
    found
}
