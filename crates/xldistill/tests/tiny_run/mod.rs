//! A run on the tiny random models of `reference`: its inputs in a folder, and the sections of its
//! config that tests of later stages share.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

/// The first keys of a run that is given nothing else before its sections.
pub const RUN: &str = r#"model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
"#;

/// The stages up to the filter, which lets all through that a random LLM and a random translator
/// write.
pub const UP_TO_FILTER: &str = r#"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "{{m2m100/tiny}}"
beam_size = 1
max_new_tokens = 4
[estimate_quality]
engine = "none"
[filter]
max_length_ratio = 1e9
max_sentence_ratio = 1e9
max_word_length = 1000000
min_script_share = 0
min_language_probability = 1
"#;

/// A folder with the inputs of a run.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    /// Writes `instructions` malformed or not, two sentence pairs, held-out questions and pairs,
    /// and `config.toml`, in which `{{NAME}}` is the path of that reference file.
    pub fn new(instructions: String, config: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        folder.write("instructions.jsonl", instructions);
        let questions = [
            "Onde fica a casa?",
            "Quem vende maçãs vermelhas aqui?",
            "Qual é a cor do mar?",
        ];
        let held_out = questions.iter().enumerate();
        let held_out = held_out.map(|(id, question)| row(id, question, "Uma boa resposta."));
        folder.write("held_out.jsonl", held_out.collect());
        folder.write(
            "pairs.tsv",
            "One house.\tUma casa.\nTwo houses.\tDuas casas.\n".into(),
        );
        folder.write(
            "held_out.tsv",
            "The sea is blue.\tO mar é azul.\nThe house is small.\tA casa é pequena.\n".into(),
        );
        let mut parts = config.split("{{");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").expect("a name in braces");
            let path = fixtures::reference(name).canonicalize().expect("a fixture");
            text += &format!("{}{rest}", path.display());
        }
        folder.write("config.toml", text);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: String) {
        fs::write(self.path(name), text).expect("writable");
    }
}

/// A line of instructions or held-out questions.
pub fn row(id: usize, question: &str, answer: &str) -> String {
    let row = json!({ "id": id.to_string(), "question": question, "answer": answer });
    format!("{row}\n")
}

/// Twelve instructions that differ in a number.
pub fn twelve_rows() -> String {
    let question = |n| {
        row(
            n,
            &format!("What is number {n} of them?"),
            "It is a number.",
        )
    };
    (0..12).map(question).collect()
}
