//! Speed and memory of CometKiwi on the pairs of a file (source TAB translation).
//!
//! ```text
//! cargo run --release -p models --example estimate_quality -- MODEL PAIRS [f32|bf16]
//! ```
//! Prints one JSON object.

use std::time::Instant;

use burn::tensor::Device;
use kernels::{Precision, peak_memory};
use models::comet::{CometModel, CometOptions, Sample};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, pairs, rest @ ..] = arguments.as_slice() else {
        return Err("usage: estimate_quality MODEL PAIRS [f32|bf16|int8]".into());
    };
    let weights: Precision = match rest.first() {
        Some(name) => name.parse()?,
        None => Precision::F32,
    };
    let text = std::fs::read_to_string(pairs)?;
    let start = Instant::now();
    let options = CometOptions {
        weights,
        ..CometOptions::default()
    };
    let model = CometModel::load(path, &options, &Device::flex())?;
    let load_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let samples = text
        .lines()
        .map(|line| {
            let (source, translation) = line.split_once('\t').unwrap_or((line, ""));
            model.encode(Sample {
                source,
                translation,
                reference: None,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let scores = model.score(&samples)?;
    let seconds = start.elapsed().as_secs_f64();
    let result = serde_json::json!({
        "segments_per_second": scores.len() as f64 / seconds,
        "peak_bytes": peak_memory(),
        "load_seconds": load_seconds,
        "scores": scores,
        "version": concat!("xldistill ", env!("CARGO_PKG_VERSION")),
    });
    println!("{result}");
    Ok(())
}
