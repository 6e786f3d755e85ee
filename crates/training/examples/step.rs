//! Speed and memory of optimiser steps on a real model.
//!
//! ```text
//! cargo run --release -p training --example step -- --model PATH [--precision f32|bf16|int8]
//!     [--method full|lora] [--recompute] [--batch 4] [--length 256] [--steps 3]
//!     [--transfer-set FILE] [--encoded FILE] [--device cpu|vulkan|metal|cuda|rocm|wgpu]
//! cargo run --release -p training --example step -- --shape 2048,5632,22,32,4,32000 [...]
//! ```
//! A shape is that of a Llama with random weights: hidden size, inner size, layers, heads,
//! key-value heads and vocabulary (here TinyLlama's).
//!
//! Prints one JSON object with the median speed and the peak memory, and each step to standard
//! error.
//!
//! Without a transfer set, every token of a sequence but the first is supervised, as in plain
//! language modelling, so that the numbers can be compared with other trainers. With one, each step
//! takes the next `batch` examples, and the speed is that of supervised tokens over all steps;
//! `--encoded` writes the examples as token ids, so that a peer can do the same work.

use std::time::Instant;

use corpus::record::{Example, Subset};
use kernels::Precision;
use models::decoders::llama::LlamaConfig;
use models::{ComputeDevice, DeviceError, LanguageModel, Network, Shape};
use training::fine_tune::{Encoded, Encoder, Method, SupervisedSet, TrainConfig, prepare};
use training::optimizer::AdamW;
use training::run::{StepPlan, train_step};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut path, mut shape) = (None, None);
    let (mut batch_size, mut length, mut steps) = (4, 256, 3);
    let (mut transfer_set, mut encoded) = (None, None);
    let mut device = ComputeDevice::Cpu;
    let mut config = TrainConfig {
        tokens_per_batch: usize::MAX,
        ..TrainConfig::default()
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| usage(&argument));
        match argument.as_str() {
            "--device" => {
                device = value()
                    .parse()
                    .unwrap_or_else(|error: DeviceError| usage(&error.to_string()))
            }
            "--precision" => {
                config.precision = named(&value(), Precision::ALL.map(|p| (p.name(), p)))
            }
            "--method" => {
                config.method = named(&value(), [("full", Method::Full), ("lora", Method::Lora)])
            }
            "--recompute" => config.recompute = true,
            "--batch" => batch_size = number(&value()),
            "--length" => length = number(&value()),
            "--steps" => steps = number(&value()),
            "--model" => path = Some(value()),
            "--shape" => shape = Some(random_shape(&value())),
            "--transfer-set" => transfer_set = Some(value()),
            "--encoded" => encoded = Some(value()),
            other => usage(other),
        }
    }
    let device = device
        .open()
        .unwrap_or_else(|error| usage(&error.to_string()));
    let (llama, examples) = match (path, shape) {
        (Some(path), None) => {
            let model = LanguageModel::load_as(&path, &device, config.weight_form())
                .unwrap_or_else(|error| {
                    eprintln!("{error}");
                    std::process::exit(1)
                });
            let examples = match &transfer_set {
                Some(path) => read(path, &model, &config, (steps + 1) * batch_size),
                None => sequences(batch_size, length, model.config.vocab_size as u32),
            };
            (model.network, examples)
        }
        (None, Some(shape)) if transfer_set.is_none() => {
            let examples = sequences(batch_size, length, shape.vocab_size as u32);
            let form = config.weight_form();
            let shape = LlamaConfig::of_shape(shape).into();
            (Network::random(&shape, 0, &device, form), examples)
        }
        _ => usage("name a model, or a shape and no transfer set"),
    };
    if transfer_set.is_some() {
        config.tokens_per_batch = 1024;
    }
    let set = SupervisedSet::new(examples, &config);
    let settings = config.settings(1e-5);
    if let Some(path) = encoded {
        write(&path, &set);
    }
    // The examples of each step; without a transfer set every step has the same.
    let plans: Vec<StepPlan> = match transfer_set {
        Some(_) => {
            let members: Vec<usize> = (0..set.examples().len()).collect();
            let steps = members.chunks(batch_size);
            steps.map(|members| set.pack(members)).collect()
        }
        None => vec![vec![(0..batch_size).collect()]; steps + 1],
    };
    let mut llama = prepare(llama, &config).unwrap_or_else(|error| usage(&error.to_string()));
    let mut optimizer = AdamW::default();
    let mut rates = Vec::new();
    let (mut supervised, mut seconds) = (0, 0.0);
    for (step, plan) in plans.iter().enumerate() {
        let start = Instant::now();
        let stepped = train_step(
            llama,
            &mut optimizer,
            plan,
            step,
            1e-5,
            &settings,
            |network: &Network, batch: &[usize], place: &_| set.loss(network, batch, place),
        );
        let (updated, result) = stepped.expect("computing a loss cannot fail");
        llama = updated;
        let elapsed = start.elapsed().as_secs_f64();
        let answers: usize = plan
            .iter()
            .flatten()
            .map(|&e| set.examples()[e].answer_tokens())
            .sum();
        let (loss, norm, rate) = (
            result.loss,
            result.grad_norm,
            result.tokens as f64 / elapsed,
        );
        eprintln!("step {step}: loss {loss:.4}, gradient norm {norm:.3}, {rate:.0} tokens/s");
        // The first step allocates; it is not counted.
        if step > 0 {
            supervised += answers;
            seconds += elapsed;
            rates.push(rate);
        }
    }
    rates.sort_by(f64::total_cmp);
    let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
    let result = serde_json::json!({
        "tokens_per_second": median,
        "supervised_tokens_per_second": supervised as f64 / seconds,
        "peak_bytes": kernels::peak_memory(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    println!("{result}");
}

/// Sequences spread over the vocabulary; the values do not affect the speed.
fn sequences(count: usize, length: usize, vocabulary: u32) -> Vec<Encoded> {
    let sequence = |row: u32| Encoded {
        id: row.to_string(),
        subset: Subset::LL,
        ids: (0..=length as u32)
            .map(|at| (row * 7919 + at * 104_729) % vocabulary)
            .collect(),
        answer_start: 1,
        teacher_prompt: None,
    };
    (0..count as u32).map(sequence).collect()
}

/// A Llama of this shape; its head size is that of its width.
fn random_shape(text: &str) -> Shape {
    let sizes: Vec<usize> = text.split(',').map(number).collect();
    let Ok(sizes) = sizes.try_into() else {
        usage(text)
    };
    Shape::of_sizes(sizes)
}

/// The first `count` examples of a transfer set.
fn read(path: &str, model: &LanguageModel, config: &TrainConfig, count: usize) -> Vec<Encoded> {
    let fail = |error: String| -> ! {
        eprintln!("{path}: {error}");
        std::process::exit(1)
    };
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| fail(error.to_string()));
    let lines = text.lines().take(count);
    let examples: Vec<Example> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| fail(error.to_string())))
        .collect();
    let encoder = Encoder::new(model, config).unwrap_or_else(|error| fail(error.to_string()));
    let set = encoder.encode(&examples);
    set.unwrap_or_else(|error| fail(error.to_string())).examples
}

/// Token ids, where the answer starts and the weight of each example.
fn write(path: &str, set: &SupervisedSet) {
    let row = |e: &Encoded| {
        let weight = set.objective().weight(e);
        serde_json::json!({ "ids": e.ids, "answer_start": e.answer_start, "weight": weight })
    };
    let rows: Vec<_> = set.examples().iter().map(row).collect();
    let text = serde_json::Value::from(rows).to_string();
    std::fs::write(path, text).unwrap_or_else(|error| {
        eprintln!("{path}: {error}");
        std::process::exit(1)
    });
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
        "{problem}\nusage: step (--model PATH | --shape H,F,L,H,KV,V) [--precision f32|bf16|int8] [--method full|lora] \
         [--recompute] [--batch N] [--length N] [--steps N] [--transfer-set FILE] [--encoded FILE] [--device DEVICE]"
    );
    std::process::exit(2)
}
