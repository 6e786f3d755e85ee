//! Weights: safetensors and their index, GGUF, PyTorch.

use std::path::Path;

use burn::tensor::Device;
use models::LanguageModel;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::pytorch::{PytorchCheckpoint, plain_data};

use crate::runner::{Files, Reader, any, file, reference};
use crate::{formats, json};

/// Reads all tensors; whether there is one.
fn all_tensors(checkpoint: &dyn Checkpoint) -> bool {
    let names = checkpoint.names().into_iter();
    let read = names.filter(|name| {
        let shape = checkpoint.shape(name).unwrap_or_default();
        checkpoint.tensor(name, &shape).is_ok()
    });
    read.count() > 0
}

#[test]
fn gguf() {
    Reader {
        name: "gguf",
        seeds: vec![
            file("model.gguf", "gguf/bpe.gguf"),
            file("model.gguf", "gguf/spm.gguf"),
            file("model.gguf", "gemma3/seven_layers.gguf"),
        ],
        inputs: 120,
        memory: 256 << 20,
        change: &|chance, files, other| {
            let (_, content) = any(chance, files);
            formats::gguf(chance, content, &other["model.gguf"]);
        },
        read: &|folder| super::model_files::used(&folder.join("model.gguf")),
    }
    .fuzz();
}

#[test]
fn safetensors() {
    let wanted = |name: &str| name.starts_with("model") || name == "config.json";
    Reader {
        name: "safetensors",
        seeds: vec![
            reference("llama/grouped_tied", wanted),
            reference("llama/mistral_bf16_sharded", wanted),
        ],
        inputs: 300,
        memory: 256 << 20,
        change: &|chance, files, other| {
            let lent = other.values().next().expect("a file");
            match any(chance, files) {
                (name, content) if name.ends_with(".json") => json::change(chance, content),
                (_, content) => formats::safetensors(chance, content, lent),
            }
        },
        read: &|folder| {
            let _ = LanguageModel::load(folder, &Device::flex());
            SafetensorsCheckpoint::open(folder).is_ok_and(|checkpoint| all_tensors(&checkpoint))
        },
    }
    .fuzz();
}

fn read_pytorch(path: &Path) -> bool {
    for key in ["hyper_parameters", "state_dict", "a"] {
        let _ = plain_data(path, key);
    }
    let read = [None, Some("state_dict")].map(|key| {
        let checkpoint = PytorchCheckpoint::open(path, &[path.to_owned()], key);
        checkpoint.is_ok_and(|checkpoint| all_tensors(&checkpoint))
    });
    read.contains(&true)
}

#[test]
fn pickle() {
    let seeds = [
        "zip.ckpt",
        "legacy.ckpt",
        "malicious.ckpt",
        "malicious_legacy.ckpt",
        "adapter_model.bin",
    ];
    let mut seeds: Vec<Files> = seeds
        .iter()
        .map(|name| file("model.ckpt", &format!("pytorch/{name}")))
        .collect();
    seeds.push(file("model.ckpt", "comet/kiwi/checkpoints/model.ckpt"));
    Reader {
        name: "pickle",
        seeds,
        inputs: 300,
        memory: 1 << 30,
        change: &|chance, files, other| {
            let (_, content) = any(chance, files);
            formats::pytorch(chance, content, &other["model.ckpt"]);
        },
        read: &|folder| read_pytorch(&folder.join("model.ckpt")),
    }
    .fuzz();
}
