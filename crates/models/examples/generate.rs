//! Speed of greedy generation: 64 prompt and 128 new tokens at batch 1 and 16.
//!
//! `cargo run --release -p models --example generate -- MODEL [f32|bf16] ["A question"]`

use std::time::Instant;

use burn::tensor::Device;
use models::LanguageModel;
use models::chat_template::Message;
use models::generation::{GenerationOptions, generate};
use models::kernels::{WeightFormat, retain_memory};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    retain_memory();
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: generate MODEL [f32|bf16] [QUESTION]")?;
    let format = match arguments.next().as_deref() {
        None | Some("f32") => WeightFormat::F32,
        Some("bf16") => WeightFormat::Bf16,
        Some(other) => return Err(format!("weights are f32 or bf16, not {other}").into()),
    };
    let start = Instant::now();
    let model = LanguageModel::load(&path, &Device::flex())?.packed(format);
    println!("loaded in {:.2} s", start.elapsed().as_secs_f64());

    if let Some(question) = arguments.next() {
        let template = model
            .chat_template
            .as_ref()
            .ok_or("the model has no chat template")?;
        let prompt = template.prompt(&model.tokenizer, &[Message::user(question)])?;
        let answers = generate(
            &model,
            &[prompt],
            &GenerationOptions::default(),
            &mut |_| {},
        );
        for answer in answers {
            println!(
                "{:?}: {}",
                answer.finish_reason,
                model.tokenizer.decode(&answer.ids)?
            );
        }
    }

    for batch in [1, 16] {
        let prompts: Vec<Vec<u32>> = (0..batch)
            .map(|row| (0..64).map(|i| 100 + 613 * i + 37 * row).collect())
            .collect();
        let options = GenerationOptions {
            batch_size: batch as usize,
            ignore_stop_tokens: true,
            ..GenerationOptions::default()
        };
        let start = Instant::now();
        let tokens: usize = generate(&model, &prompts, &options, &mut |_| {})
            .iter()
            .map(|row| row.ids.len())
            .sum();
        println!(
            "batch {batch}: {:.1} tokens/s",
            tokens as f64 / start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
