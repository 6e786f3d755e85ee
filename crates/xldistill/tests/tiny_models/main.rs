//! Whole runs on the tiny random models of `reference`. What these learn is nonsense; that every
//! part is reached, shared and reported as it was, is not.

mod grids;
mod killed;
mod other_models;
mod paper_engines;
mod report;
mod run_folder;
mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A folder with the inputs of a run.
struct Folder(tempfile::TempDir);

impl Folder {
    /// Writes `instructions` malformed or not, two sentence pairs, held-out questions and pairs,
    /// and `config.toml`, in which `{{NAME}}` is the path of that reference file.
    fn new(instructions: String, config: &str) -> Folder {
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

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: String) {
        fs::write(self.path(name), text).expect("writable");
    }

    /// Runs a command on the config; returns its standard output and error.
    fn xldistill(&self, command: &str, arguments: &[&str]) -> (String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        program.args([command, "config.toml"]).args(arguments);
        let output = program.current_dir(&self.0).output().expect("starts");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command} {arguments:?}: {log}");
        (String::from_utf8_lossy(&output.stdout).into_owned(), log)
    }
}

/// A line of instructions or held-out questions.
fn row(id: usize, question: &str, answer: &str) -> String {
    let row = json!({ "id": id.to_string(), "question": question, "answer": answer });
    format!("{row}\n")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}
