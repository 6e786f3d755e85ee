//! The runner of the stages: what it leaves in the folder, however often it is killed, sharded,
//! repeated or given other inputs.

mod interruptions;
mod outcome;
mod reuse;
mod shards;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corpus::progress::Silent;
use corpus::record::Instruction;
use corpus::seam::EngineIdentity;
use corpus::stage::{
    Inputs, Manifest, Outcome, Rejection, RowStage, StageError, StageOptions, run,
};
use serde_json::{Value, json};

/// Turns answers to upper case; refuses answers with a "z" and, as a whole, rows with a "q".
struct Upper {
    model: &'static str,
    parameter: u32,
    chunk_rows: usize,
    pause: Duration,
    processed: AtomicUsize,
}

impl Upper {
    fn new() -> Self {
        Self {
            model: "models/upper",
            parameter: 1,
            chunk_rows: 16,
            pause: Duration::ZERO,
            processed: AtomicUsize::new(0),
        }
    }

    fn processed(&self) -> usize {
        self.processed.swap(0, Ordering::Relaxed)
    }
}

impl RowStage for Upper {
    type Input = Instruction;
    type Output = Instruction;

    fn name(&self) -> &'static str {
        "upper"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({ "parameter": self.parameter })
    }

    fn key_of(&self, reason: &str) -> Option<String> {
        (reason == "has_q").then(|| "upper.max_q".to_owned())
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![EngineIdentity {
            engine: "upper".into(),
            model: self.model.into(),
            revision: "1".into(),
            parameters: String::new(),
            licence: None,
        }]
    }

    fn chunk_rows(&self) -> usize {
        self.chunk_rows
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Instruction>>, StageError> {
        std::thread::sleep(self.pause);
        self.processed.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows.iter().map(upper).collect())
    }
}

fn upper(row: &Instruction) -> Outcome<Instruction> {
    if row.answer.contains('q') {
        return Outcome::rejected(Rejection::new("row", "has_q", "a \"q\""));
    }
    let output = Instruction {
        answer: row.answer.to_uppercase(),
        ..row.clone()
    };
    match row.answer.contains('z') {
        true => Outcome::kept_without(output, vec![Rejection::new("answer", "has_z", "a\nz")]),
        false => Outcome::kept(output),
    }
}

fn rows(count: usize) -> Vec<Instruction> {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let row = |number: usize| Instruction {
        id: format!("row-{number}"),
        question: format!("Question\t{number} \"?\"\u{2028}"),
        answer: letters
            .chars()
            .cycle()
            .skip(number * 7)
            .take(3 + number % 5)
            .collect(),
    };
    (0..count).map(row).collect()
}

/// The content of all files but the manifests, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let files =
        named.filter(|(name, _)| !name.starts_with("manifest") && !name.starts_with(".lock"));
    files
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn run_whole(stage: &Upper, rows: &[Instruction], folder: &Path) -> Result<Manifest, StageError> {
    run(
        stage,
        &Inputs::rows(rows),
        folder,
        &StageOptions::default(),
        &Silent,
    )
}
