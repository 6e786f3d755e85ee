//! Weights: safetensors and their index, GGUF, PyTorch.

use std::fs;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use models::LanguageModel;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::pytorch::{PytorchCheckpoint, plain_data};
use proptest::prelude::*;

use crate::damage::{LARGEST, damage, damaged, reference};
use crate::rounds;

/// More than any of these files can ask for with reason.
const MUCH: usize = 64 << 20;

proptest! {
    #![proptest_config(rounds(400))]

    #[test]
    fn damaged_safetensors_are_read_or_refused(
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference("llama/grouped_tied/model.safetensors")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.safetensors"), damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(checkpoint) = SafetensorsCheckpoint::open(folder.path()) {
            for name in checkpoint.names() {
                let shape = checkpoint.shape(&name).unwrap_or_default().to_vec();
                let _ = checkpoint.tensor(&name, &shape);
            }
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn damaged_indices_are_read_or_refused(
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let source = reference("llama/mistral_bf16_sharded");
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&source).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = fs::read(entry.path()).unwrap();
            let bytes = match name.ends_with(".json") {
                true => damaged(&bytes, &damage, length),
                false => bytes,
            };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        LARGEST.store(0, Ordering::Relaxed);
        let _ = SafetensorsCheckpoint::open(folder.path());
        prop_assert!(LanguageModel::load(folder.path(), &Device::flex()).is_err(), "it has no tokenizer");
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn damaged_gguf_models_are_read_or_refused(
        file in 0usize..2,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference(["gguf/bpe.gguf", "gguf/spm.gguf"][file])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let _ = LanguageModel::load(&path, &Device::flex());
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }
    #[test]
    fn damaged_pytorch_files_are_read_or_refused(
        file in 0usize..2,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference(["pytorch/zip.ckpt", "pytorch/legacy.ckpt"][file])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ckpt");
        fs::write(&path, damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let _ = plain_data(&path, "hyper_parameters");
        let files = std::slice::from_ref(&path);
        for key in [None, Some("state_dict")] {
            let Ok(checkpoint) = PytorchCheckpoint::open(&path, files, key) else {
                continue;
            };
            for name in checkpoint.names() {
                let shape = checkpoint.shape(&name).unwrap_or_default();
                let _ = checkpoint.tensor(&name, &shape);
            }
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < 1 << 30);
    }
}
