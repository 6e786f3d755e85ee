//! Speed and memory of greedy generation: 64 prompt and 128 new tokens per sequence.
//!
//! ```text
//! cargo run --release -p models --example generate -- MODEL [f32|bf16|int8] [BATCH]
//! ```
//! Prints one JSON object.

use std::time::Instant;

use burn::tensor::Device;
use kernels::{Precision, peak_memory};
use models::generation::{GenerationOptions, generate};
use models::{LanguageModel, WeightForm};

/// Tokens before the first new one.
const PROMPT_TOKENS: u32 = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: generate MODEL [f32|bf16|int8] [BATCH]")?;
    let format: Precision = match arguments.next() {
        Some(name) => name.parse()?,
        None => Precision::F32,
    };
    let batch: u32 = arguments.next().map_or(Ok(1), |batch| batch.parse())?;
    let model = LanguageModel::load_as(&path, &Device::flex(), WeightForm::Packed(format))?;
    let prompts: Vec<Vec<u32>> = (0..batch)
        .map(|row| {
            (0..PROMPT_TOKENS)
                .map(|i| 100 + 613 * i + 37 * row)
                .collect()
        })
        .collect();
    let options = GenerationOptions {
        batch_size: batch as usize,
        max_new_tokens: 128,
        ignore_stop_tokens: true,
        ..GenerationOptions::default()
    };
    let start = Instant::now();
    let generated = generate(&model, &prompts, &options, &mut |_| {});
    let tokens: usize = generated.iter().map(|row| row.ids.len()).sum();
    let result = serde_json::json!({
        "tokens_per_second": tokens as f64 / start.elapsed().as_secs_f64(),
        "peak_bytes": peak_memory(),
        "version": concat!("xldistill ", env!("CARGO_PKG_VERSION")),
    });
    println!("{result}");
    Ok(())
}
