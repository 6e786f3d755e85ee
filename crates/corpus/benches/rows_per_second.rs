//! Rows a second of loading, of the stage runner around a stage that does nothing, of the loop
//! detector and of the transfer set.
//!
//! `cargo bench -p corpus --bench rows_per_second -- DATA_SET`, e.g. the 52,002 rows of
//! `alpaca_data.json`. Prints one line a measurement; the input is read from the disk's cache.

use std::path::{Path, PathBuf};
use std::time::Instant;

use corpus::language::Language;
use corpus::mix::{MixConfig, MixInputs, mix};
use corpus::progress::Silent;
use corpus::record::{CodeSwitched, Instruction, TextPair, Translated};
use corpus::repetition;
use corpus::source::{LoadOptions, load};
use corpus::stage::{Inputs, Outcome, RowStage, StageError, StageOptions, run};
use serde_json::{Value, json};

/// A stage that costs nothing itself.
struct Copy;

impl RowStage for Copy {
    type Input = Instruction;
    type Output = Instruction;

    fn name(&self) -> &'static str {
        "copy"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({})
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Instruction>>, StageError> {
        Ok(rows.iter().cloned().map(Outcome::kept).collect())
    }
}

fn measured<T>(what: &str, rows: usize, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{what:<32} {rows:>7} rows {seconds:>7.3} s {:>10.0} rows/s",
        rows as f64 / seconds
    );
    result
}

/// Every text in place of its own translation.
fn as_switched(row: &Instruction) -> CodeSwitched {
    let pair = |text: &str| TextPair {
        source: text.into(),
        translation: Some(text.into()),
    };
    CodeSwitched {
        questions: [(); 4].map(|()| Some(row.question.clone())),
        row: Translated {
            id: row.id.clone(),
            target: Language::PORTUGUESE,
            question: pair(&row.question),
            answer: pair(&row.answer),
            generated: Some(pair(&row.answer)),
        },
    }
}

fn main() {
    // Cargo passes --bench to every benchmark.
    let data_set = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let Some(data_set) = data_set.map(PathBuf::from) else {
        println!("usage: cargo bench -p corpus --bench rows_per_second -- DATA_SET");
        return;
    };
    let size = load(&data_set, &LoadOptions::default())
        .expect("a data set")
        .instructions
        .len();
    let rows = measured("load", size, || load(&data_set, &LoadOptions::default()))
        .expect("it was loaded before")
        .instructions;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let stage = |inputs: &Inputs<'_, Instruction>, folder: &Path| {
        run(&Copy, inputs, folder, &StageOptions::default(), &Silent).expect("room on the disk")
    };
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    measured("stage, rows in memory", size, || {
        stage(&Inputs::rows(&rows), &first)
    });
    measured("stage, rows of a stage's file", size, || {
        stage(&Inputs::stage(&first).expect("a finished stage"), &second)
    });
    measured("stage, nothing to do", size, || {
        stage(&Inputs::rows(&rows), &first)
    });

    let loops = measured("loop detector", size, || {
        rows.iter()
            .filter_map(|row| Some((row, repetition::looping(&row.answer)?)))
            .collect::<Vec<_>>()
    });
    println!("  {} of {size} answers are found to loop", loops.len());
    for (row, found) in loops.iter().take(5) {
        println!("  {}: {found}", row.id);
    }

    let switched: Vec<CodeSwitched> = rows.iter().map(as_switched).collect();
    let inputs = MixInputs {
        rows: Inputs::rows(&switched),
        source: Language::ENGLISH,
        pairs: &[],
        monolingual: &[],
        rejected: &[],
        evaluation: None,
    };
    let mixed = folder.path().join("mix");
    let mix = || mix(&inputs, &MixConfig::default(), &mixed, &Silent).expect("room on the disk");
    measured("mix", size, mix);
}
