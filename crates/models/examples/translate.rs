//! Speed and memory of beam search with NLLB-600M's shape and random weights: sentences of 20 to
//! 40 pieces, four beams, hypotheses of a fixed length.
//!
//! ```text
//! cargo run --release -p models --example translate -- [f32|bf16|int8] [SENTENCES] [NEW_TOKENS] [BATCH]
//! ```
//! Prints one JSON object.

use std::time::Instant;

use burn::tensor::Device;
use kernels::{Precision, peak_memory};
use models::beam_search::{BeamOptions, beam_search};
use models::m2m100::{M2m100, M2m100Config};

/// facebook/nllb-200-distilled-600M.
const SHAPE: &str = r#"{"model_type": "m2m_100", "vocab_size": 256206, "d_model": 1024,
    "encoder_layers": 12, "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "activation_function": "relu",
    "max_position_embeddings": 1024, "scale_embedding": true}"#;

/// A target language.
const LANGUAGE: u32 = 256_100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let format: Precision = match arguments.next() {
        Some(name) => name.parse()?,
        None => Precision::F32,
    };
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (sentences, new_tokens, batch_size) = (number(128)?, number(30)?, number(32)?);
    let config = M2m100Config::from_json(SHAPE)?;
    let model = M2m100::random_packed(&config, 1, format, &Device::flex());
    let sources: Vec<Vec<u32>> = (0..sentences as u32)
        .map(|row| {
            let pieces = (0..20 + row * 8 % 21).map(|i| 10 + (row * 7919 + i * 104_729) % 250_000);
            let pieces: Vec<u32> = pieces.collect();
            [&[LANGUAGE - 1], pieces.as_slice(), &[2]].concat()
        })
        .collect();
    let options = BeamOptions {
        max_new_tokens: new_tokens,
        min_new_tokens: new_tokens,
        forced_bos: Some(LANGUAGE),
        batch_size,
        ..BeamOptions::default()
    };
    let start = Instant::now();
    let found = beam_search(&model, &config, &sources, &options, &mut |_| {});
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = found.iter().map(|hypothesis| hypothesis.ids.len()).sum();
    let result = serde_json::json!({
        "sentences_per_second": sentences as f64 / seconds,
        "tokens_per_second": tokens as f64 / seconds,
        "peak_bytes": peak_memory(),
        "version": concat!("xldistill ", env!("CARGO_PKG_VERSION")),
    });
    println!("{result}");
    Ok(())
}
