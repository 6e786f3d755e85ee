//! Speed and memory of optimiser steps on a real model.
//!
//! ```text
//! cargo run --release -p training --example step -- --model PATH [--precision f32|bf16]
//!     [--method full|lora] [--batch 4] [--length 256] [--steps 3]
//! ```
//! Prints one JSON object with the median speed and the peak memory; each step goes to standard
//! error.
//!
//! Every token but the first of each sequence is supervised, as in a plain language-model step, so
//! that the numbers compare with other trainers'.

use std::time::Instant;

use burn::tensor::Device;
use corpus::record::Subset;
use models::LanguageModel;
use training::TrainConfig;
use training::config::{Method, Precision};
use training::encode::Encoded;
use training::objective::Objective;
use training::optimizer::AdamW;
use training::step::train_step;
use training::trainer::prepare;

fn main() {
    kernels::retain_memory();
    let mut arguments = std::env::args().skip(1);
    let mut model = None;
    let (mut batch_size, mut length, mut steps) = (4, 256, 3);
    let mut config = TrainConfig {
        tokens_per_batch: usize::MAX,
        ..TrainConfig::default()
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| usage(&argument));
        match argument.as_str() {
            "--precision" => {
                config.precision = named(
                    &value(),
                    [("f32", Precision::F32), ("bf16", Precision::Bf16)],
                )
            }
            "--method" => {
                config.method = named(&value(), [("full", Method::Full), ("lora", Method::Lora)])
            }
            "--batch" => batch_size = number(&value()),
            "--length" => length = number(&value()),
            "--steps" => steps = number(&value()),
            "--model" => model = Some(value()),
            other => usage(other),
        }
    }
    let Some(path) = model else { usage("no model") };
    let model = LanguageModel::load(&path, &Device::flex()).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1)
    });
    let vocabulary = model.config.vocab_size as u32;
    let examples: Vec<Encoded> = (0..batch_size as u32)
        .map(|row| Encoded {
            id: row.to_string(),
            subset: Subset::LL,
            // Spread over the vocabulary; the values do not matter to the speed.
            ids: (0..=length as u32)
                .map(|at| (row * 7919 + at * 104_729) % vocabulary)
                .collect(),
            answer_start: 1,
            weight: 1.0,
        })
        .collect();
    let plan = vec![(0..batch_size).collect()];
    let objective = Objective::new(config.reduction, &examples);
    let mut llama = prepare(model.llama, &config).unwrap_or_else(|error| usage(&error.to_string()));
    let mut optimizer = AdamW::default();
    let mut rates = Vec::new();
    // The first step allocates; it is not counted.
    for step in 0..=steps {
        let start = Instant::now();
        let (updated, result) = train_step(
            llama,
            &mut optimizer,
            &examples,
            &plan,
            &objective,
            &config,
            1e-5,
            step,
        );
        llama = updated;
        let rate = result.tokens as f64 / start.elapsed().as_secs_f64();
        eprintln!(
            "step {step}: loss {:.4}, gradient norm {:.3}, {rate:.0} tokens/s",
            result.loss, result.grad_norm
        );
        if step > 0 {
            rates.push(rate);
        }
    }
    rates.sort_by(f64::total_cmp);
    let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
    let result = serde_json::json!({
        "tokens_per_second": median,
        "peak_bytes": peak_memory(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    println!("{result}");
}

/// Peak resident memory of this process in bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes: Option<u64> = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    });
    kilobytes.unwrap_or(0) * 1024
}

fn named<T, const N: usize>(name: &str, values: [(&str, T); N]) -> T {
    match values.into_iter().find(|(known, _)| *known == name) {
        Some((_, value)) => value,
        None => usage(name),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| usage(text))
}

fn usage(problem: &str) -> ! {
    eprintln!(
        "{problem}\nusage: step --model PATH [--precision f32|bf16] [--method full|lora] \
         [--batch N] [--length N] [--steps N]"
    );
    std::process::exit(2)
}
