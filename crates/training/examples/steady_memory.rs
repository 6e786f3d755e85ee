//! Memory over many optimiser steps with sequences of varying length, or of one.
//!
//! ```text
//! cargo run --release -p training --example steady_memory -- [--steps 2000] [--every 100] [--length 64]
//! ```
//! Trains a small random Llama as real training does: examples of many lengths, packed into passes
//! that differ from step to step, an evaluation now and then. Prints one JSON object a line: the
//! step, resident and peak memory, the page faults of a step and the tokens a second since the
//! line before. With one length steps 10 and later must not differ in memory; with many, as long as a
//! pass may still be the largest yet, they can.

use std::time::Instant;

use burn::tensor::Device;
use corpus::record::Subset;
use corpus::sampling::Stream;
use models::llama::{Llama, LlamaConfig};
use training::TrainConfig;
use training::config::Precision;
use training::encode::Encoded;
use training::held_out::held_out_loss;
use training::objective::Objective;
use training::optimizer::AdamW;
use training::pack::plan_epoch;
use training::step::train_step;
use training::trainer::prepare;

const VOCABULARY: usize = 2048;

fn main() {
    kernels::retain_memory();
    let mut arguments = std::env::args().skip(1);
    let (mut steps, mut every, mut length) = (2000_usize, 100_usize, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|text| text.parse().ok());
        match (argument.as_str(), value) {
            ("--steps", Some(value)) => steps = value,
            ("--every", Some(value)) => every = value.max(1),
            ("--length", Some(value)) => length = Some(value.max(4)),
            _ => {
                eprintln!("usage: steady_memory [--steps N] [--every N] [--length N]");
                std::process::exit(2)
            }
        }
    }
    let config = TrainConfig {
        precision: Precision::Bf16,
        examples_per_step: 8,
        tokens_per_batch: 512,
        ..TrainConfig::default()
    };
    let examples = examples(1024, length);
    let objective = Objective::new(config.reduction, &examples);
    let llama = Llama::random(&shape(), 0, &Device::flex());
    let mut llama = prepare(llama, &config).expect("all parameters can be trained");
    let mut optimizer = AdamW::default();
    let plans = (0..).flat_map(|epoch| plan_epoch(&examples, &config, epoch));
    let (mut since, mut tokens, mut faults) = (Instant::now(), 0, page_faults());
    for (step, plan) in plans.take(steps).enumerate() {
        let (updated, result) = train_step(
            llama,
            &mut optimizer,
            &examples,
            &plan,
            &objective,
            &config,
            1e-4,
            step,
        );
        llama = updated;
        tokens += result.tokens;
        let done = step + 1;
        if done % (2 * every) == 0 {
            held_out_loss(&llama, &examples[..32], &config);
        }
        if done == 1 || done == 10 || done % every == 0 {
            let span = if done <= 10 { done.max(2) - 1 } else { every };
            let line = serde_json::json!({
                "step": done,
                "loss": result.loss,
                "resident_bytes": kernels::resident_memory(),
                "peak_bytes": kernels::peak_memory(),
                "page_faults_per_step": (page_faults() - faults) as f64 / span as f64,
                "tokens_per_second": tokens as f64 / since.elapsed().as_secs_f64(),
            });
            println!("{line}");
            (since, tokens, faults) = (Instant::now(), 0, page_faults());
        }
    }
}

/// A Llama of half a million parameters.
fn shape() -> LlamaConfig {
    LlamaConfig {
        tie_word_embeddings: true,
        ..LlamaConfig::of_sizes([96, 256, 4, 3, 1, VOCABULARY])
    }
}

/// Examples of one length, or of lengths spread as those of instruction data: mostly short, some long.
fn examples(count: usize, length: Option<usize>) -> Vec<Encoded> {
    let mut draws = Stream::new(0, "steady memory");
    (0..count)
        .map(|index| {
            let spread = (16.0 * (draws.uniform() * 3.0).exp()) as usize;
            let length = length.unwrap_or(spread);
            let ids: Vec<u32> = (0..length)
                .map(|_| draws.choose(VOCABULARY) as u32)
                .collect();
            Encoded {
                id: index.to_string(),
                subset: Subset::LL,
                answer_start: 1 + draws.choose(length / 2),
                ids,
                weight: 1.0,
            }
        })
        .collect()
}

/// Page faults of this process so far that needed no disk.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the program's name, which may hold spaces: state is the first.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields
        .split(' ')
        .nth(7)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}
