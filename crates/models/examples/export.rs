//! Writes a model as a Hugging Face directory, and a random adapter on it as a PEFT directory;
//! `reference/export/check.py` loads both.
//!
//! `cargo run --release -p models --example export -- MODEL OUT`

use std::path::PathBuf;

use burn::Tensor;
use burn::module::Param;
use burn::tensor::{Device, Distribution};
use kernels::Segments;
use models::export::{StoredFormat, save_huggingface, save_peft_adapter};
use models::{LanguageModel, LoraConfig, NamedLinears};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: export MODEL OUT";
    let path = arguments.next().ok_or(usage)?;
    let out = PathBuf::from(arguments.next().ok_or(usage)?);

    let mut model = LanguageModel::load(&path, &Device::flex())?;
    let base = out.join("model");
    save_huggingface(&model, &base, StoredFormat::F32)?;

    model.network = model.network.with_lora(&LoraConfig::default(), 1)?;
    model.network = model.network.map_linears(|name, mut layer| {
        if let Some(lora) = &mut layer.lora
            && ["v_proj", "gate_proj", "c_fc"]
                .iter()
                .any(|part| name.ends_with(part))
        {
            let noise = Distribution::Normal(0.0, 0.01);
            lora.lora_b = Param::from_tensor(Tensor::random_like(&lora.lora_b.val(), noise));
        }
        layer
    });
    save_peft_adapter(&model, &std::path::absolute(&base)?, &out.join("adapter"))?;

    let ids = model
        .tokenizer
        .encode_plain("The quick brown fox jumps over the lazy")?;
    let hidden = model.network.forward(&ids, &Segments::single(ids.len()));
    let logits: Vec<f32> = model
        .network
        .logits(hidden)
        .into_data()
        .iter::<f32>()
        .collect();
    let last_logits = &logits[logits.len() - model.config.vocab_size..];
    let expected = serde_json::json!({"ids": ids, "last_logits": last_logits});
    std::fs::write(out.join("expected.json"), expected.to_string())?;
    Ok(())
}
