//! Memory over many optimiser steps, with sequences of varying length or of a single one.
//!
//! ```text
//! cargo run --release -p training --example steady_memory -- [--steps 2000] [--every 100] [--length 64]
//! ```
//! Trains a small random Llama as real training does: examples of many lengths, packed into passes
//! that differ from step to step, with occasional evaluations. Prints one JSON object per line: the
//! step, resident and peak memory, the page faults of a step, and the tokens per second since the
//! previous line. With a single length, memory must not change from step 10 on; with many lengths
//! it may grow for as long as a pass can still be the largest so far.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use corpus::record::Subset;
use corpus::sampling::Stream;
use kernels::Precision;
use models::decoders::llama::LlamaConfig;
use models::{Network, Shape, WeightForm};
use training::fine_tune::{Encoded, SupervisedSet, TrainConfig, prepare};
use training::optimizer::AdamW;
use training::run::{shuffled_steps, train_step};

const VOCABULARY: usize = 2048;

fn main() {
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
    let held_out = SupervisedSet::new(examples[..32].to_vec(), &config);
    let set = SupervisedSet::new(examples, &config);
    let settings = config.settings(1e-4);
    let shape = LlamaConfig::of_shape(shape()).into();
    let llama = Network::random(&shape, 0, &Device::flex(), WeightForm::Parameters);
    let mut llama = prepare(llama, &config).expect("all parameters can be trained");
    let mut optimizer = AdamW::default();
    let (count, size) = (set.examples().len(), config.examples_per_step);
    let plans = (0..)
        .flat_map(|epoch| shuffled_steps(count, size, config.seed, epoch))
        .map(|members| set.pack(&members));
    let (mut since, mut tokens, mut faults) = (Instant::now(), 0, page_faults());
    for (step, plan) in plans.take(steps).enumerate() {
        let stepped = train_step(
            llama,
            &mut optimizer,
            &plan,
            step,
            1e-4,
            &settings,
            |network: &Network, batch: &[usize], place: &_| set.loss(network, batch, place),
        );
        let (updated, result) = stepped.expect("computing a loss cannot fail");
        llama = updated;
        tokens += result.tokens;
        let done = step + 1;
        if done % (2 * every) == 0 {
            held_out
                .held_out_loss(&llama.valid())
                .expect("there is no teacher");
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
fn shape() -> Shape {
    Shape {
        tie_word_embeddings: true,
        ..Shape::of_sizes([96, 256, 4, 3, 1, VOCABULARY])
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
                teacher_prompt: None,
            }
        })
        .collect()
}

/// Page faults of this process so far that needed no disk access.
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
