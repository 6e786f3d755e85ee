//! Labels and speed of language identification, for comparison with the reference
//! implementations (`benchmarks/identify.py`).
//!
//! ```text
//! cargo run --release -p engines --example identify -- whatlang|cld3|fasttext MODEL TEXTS [OUTPUT]
//! ```
//! TEXTS has one text per line; MODEL is `-` if the engine has none. Writes `label TAB probability`
//! lines to OUTPUT, and prints one JSON object.

use std::fmt::Write;
use std::time::Instant;

use engines::choice::EngineSection;
use engines::identifier::IdentifyEngine;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, model, texts, output @ ..] = &arguments[..] else {
        return Err("usage: identify whatlang|cld3|fasttext MODEL TEXTS [OUTPUT]".into());
    };
    let mut keys = serde_json::json!({ "engine": engine });
    if model != "-" {
        keys["model"] = model.as_str().into();
    }
    let engine = IdentifyEngine::read(keys.as_object().cloned().unwrap_or_default())?;
    let started = Instant::now();
    let identifier = engine.open()?;
    let loading = started.elapsed().as_secs_f64();
    let texts = std::fs::read_to_string(texts)?;
    let lines: Vec<&str> = texts.lines().collect();
    // A first pass over part of the texts warms up tables and pages.
    for line in lines.iter().take(200) {
        identifier.native_label(line);
    }

    let started = Instant::now();
    let labels: Vec<_> = lines
        .iter()
        .map(|line| identifier.native_label(line))
        .collect();
    let one_core = lines.len() as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    let again: Vec<_> = lines
        .par_iter()
        .map(|line| identifier.native_label(line))
        .collect();
    let all_cores = lines.len() as f64 / started.elapsed().as_secs_f64();
    assert_eq!(labels, again);

    if let [output] = output {
        let mut written = String::new();
        for native in &labels {
            match native {
                Some(native) => writeln!(written, "{}\t{:.6}", native.label, native.probability)?,
                None => writeln!(written, "\t0")?,
            }
        }
        std::fs::write(output, written)?;
    }
    let result = serde_json::json!({
        "texts_per_second": one_core,
        "texts_per_second_on_all_cores": all_cores,
        "seconds_to_load": loading,
        "version": concat!("xldistill ", env!("CARGO_PKG_VERSION")),
    });
    println!("{result}");
    Ok(())
}
