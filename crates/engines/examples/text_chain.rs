//! The text stages on instructions of your own: translate, filter, code-switch, in memory.
//!
//! ```text
//! cargo run --release -p engines --example text_chain -- \
//!     INSTRUCTIONS.json MODELS/enpt MODELS/pten ROWS [DICTIONARY]
//! ```
//! The file is a JSON list of Alpaca rows. Prints every row with its result, and the counts, times
//! and rates of the stages to standard error.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use corpus::code_switch::{CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::coverage::Coverage;
use corpus::dictionary::induced::{pairs, vocabulary};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::filter::{FilterConfig, FilterStage};
use corpus::record::{Answered, Instruction};
use corpus::stage::{Outcome, RowStage};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;
use engines::firefox::FirefoxTranslator;
use engines::round_trip::RoundTripChrf;
use engines::whatlang::WhatlangIdentifier;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [instructions, forward, backward, rows, rest @ ..] = &arguments[..] else {
        return Err(
            "usage: text_chain INSTRUCTIONS.json FORWARD BACKWARD ROWS [DICTIONARY]".into(),
        );
    };
    let forward = FirefoxTranslator::load(Path::new(forward))?;
    let backward = FirefoxTranslator::load(Path::new(backward))?;
    let (from, to) = forward
        .direction()
        .ok_or("the model does not say its direction")?;
    let rows = read(Path::new(instructions), rows.parse()?)?;

    let translated = timed(
        &TranslateStage::new(&forward, from, vec![to], DEFAULT_PIECES),
        &rows,
    )?;
    let sources: Vec<&str> = rows
        .iter()
        .map(|row| row.instruction.question.as_str())
        .collect();
    let dictionary = match rest {
        [] => {
            let start = Instant::now();
            let words = vocabulary(sources.iter().copied(), from, 20_000);
            let pairs = pairs(&forward, &backward, &words, from, to)?;
            let induced = BilingualDictionary::from_pairs(&pairs);
            let (kept, seconds) = (
                induced.source_to_target.len(),
                start.elapsed().as_secs_f64(),
            );
            eprintln!(
                "dictionary: {kept} of {} words induced in {seconds:.1} s",
                words.len()
            );
            induced
        }
        paths => {
            let mut all = Dictionary::default();
            for path in paths {
                let loaded = Dictionary::load(&PathBuf::from(path))?;
                eprintln!(
                    "{path}: {} used, {} unused, {} malformed",
                    loaded.used, loaded.unused, loaded.malformed
                );
                all.merge(&loaded.dictionary);
            }
            BilingualDictionary::new(all, Dictionary::default())
        }
    };
    eprintln!(
        "coverage: {}",
        Coverage::of(&dictionary.source_to_target, &sources, from)
    );

    let estimator = RoundTripChrf::new(backward);
    let filter = FilterStage::new(
        &WhatlangIdentifier,
        Some(&estimator),
        from,
        FilterConfig::default(),
    );
    let filtered = timed(&filter, &translated)?;
    let switch = CodeSwitchStage::new(
        BTreeMap::from([(to, dictionary)]),
        from,
        CodeSwitchConfig::default(),
    );
    for row in timed(&switch, &filtered)? {
        println!("{}", serde_json::to_string_pretty(&row)?);
    }
    Ok(())
}

/// Runs a stage and prints its counts.
fn timed<S: RowStage>(stage: &S, rows: &[S::Input]) -> Result<Vec<S::Output>, Box<dyn Error>> {
    let start = Instant::now();
    let mut outputs = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for chunk in rows.chunks(stage.chunk_rows()) {
        for Outcome {
            outputs: kept,
            rejections,
        } in stage.process(chunk)?
        {
            outputs.extend(kept);
            for rejection in rejections {
                println!(
                    "REJECTED {} {}: {}",
                    rejection.field, rejection.reason, rejection.detail
                );
                *reasons
                    .entry(format!("{} {}", rejection.field, rejection.reason))
                    .or_default() += 1;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = rows.len() as f64 / seconds;
    eprintln!(
        "{}: {} rows in {seconds:.1} s, {rate:.1} rows/s, {reasons:?}",
        stage.name(),
        rows.len()
    );
    Ok(outputs)
}

/// The first rows of an Alpaca file; the given answer also stands in for the generated one.
fn read(path: &Path, rows: usize) -> Result<Vec<Answered>, Box<dyn Error>> {
    let values: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(&std::fs::read(path)?)?;
    let field = |row: &BTreeMap<String, serde_json::Value>, key: &str| {
        row.get(key)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let answered = values.iter().take(rows).enumerate().map(|(number, row)| {
        let (instruction, input) = (field(row, "instruction"), field(row, "input"));
        let question = if input.is_empty() {
            instruction
        } else {
            format!("{instruction}\n\n{input}")
        };
        let instruction = Instruction {
            id: number.to_string(),
            question,
            answer: field(row, "output"),
        };
        Answered {
            instruction,
            generated: None,
        }
    });
    Ok(answered.collect())
}
