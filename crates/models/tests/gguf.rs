//! GGUF against the `gguf` package and Transformers, and against files that lie. Fixtures and
//! their exporter: `reference/gguf`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kernels::Segments;
use models::checkpoint::Checkpoint;
use models::decoders::Config;
use models::export::{GgufNumbers, StoredFormat, modelfile, save_gguf, save_huggingface};
use models::gguf::{BlockFormat, Gguf, dequantize};
use models::huggingface::SafetensorsCheckpoint;
use models::tokenizer::Tokenizer;
use models::{LanguageModel, LoadError};
use proptest::prelude::*;
use serde::Deserialize;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/gguf")
}

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    bpe: ExpectedModel,
    spm: ExpectedModel,
}

#[derive(Deserialize)]
struct ExpectedModel {
    ids: Vec<Vec<u32>>,
    plain_ids: Vec<Vec<u32>>,
    decoded: Vec<String>,
    model_ids: Vec<u32>,
    last_logits: Vec<f32>,
}

fn expected() -> Expected {
    let text = std::fs::read_to_string(reference().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_block_format_to_the_last_bit() {
    let path = reference().join("blocks.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let blocks = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = SafetensorsCheckpoint::open_files(&reference(), &[path]).unwrap();
    let formats = [
        BlockFormat::F16,
        BlockFormat::BF16,
        BlockFormat::Q4_0,
        BlockFormat::Q4_1,
        BlockFormat::Q5_0,
        BlockFormat::Q5_1,
        BlockFormat::Q8_0,
        BlockFormat::Q2_K,
        BlockFormat::Q3_K,
        BlockFormat::Q4_K,
        BlockFormat::Q5_K,
        BlockFormat::Q6_K,
    ];
    for format in formats {
        let stored = blocks.tensor(&format!("{format:?}.blocks")).unwrap();
        let name = format!("{format:?}.values");
        let expected = values.tensor(&name, values.shape(&name).unwrap()).unwrap();
        let found = dequantize(format, stored.data());
        let bits = |values: &[f32]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&found), bits(&expected), "{format:?}");
    }
}

#[test]
fn token_ids_and_decoded_text() {
    let expected = expected();
    for (name, model) in [("bpe", &expected.bpe), ("spm", &expected.spm)] {
        let file = Gguf::open(reference().join(format!("{name}.gguf"))).unwrap();
        let tokenizer = Tokenizer::from_gguf(&file).unwrap();
        for (index, text) in expected.texts.iter().enumerate() {
            assert_eq!(
                tokenizer.encode(text).unwrap(),
                model.ids[index],
                "{name}: {text:?}"
            );
            let plain = tokenizer.encode_raw(text).unwrap();
            assert_eq!(plain, model.plain_ids[index], "{name}: {text:?}");
            let decoded = tokenizer.decode(&plain).unwrap();
            assert_eq!(decoded, model.decoded[index], "{name}: {text:?}");
        }
    }
}

/// BPE with a named pre-tokenizer, and SentencePiece with scores.
#[test]
fn a_written_file_has_the_same_token_ids_and_almost_the_same_model() {
    let texts = expected().texts;
    let folder = tempfile::tempdir().unwrap();
    for name in ["bpe", "spm"] {
        let path = reference().join(format!("{name}.gguf"));
        let model = LanguageModel::load(path, &Device::flex()).unwrap();
        for (numbers, tolerance) in [
            (GgufNumbers::F32, 0.0),
            (GgufNumbers::F16, 0.01),
            (GgufNumbers::Bf16, 0.05),
            (GgufNumbers::Q8_0, 0.1),
        ] {
            let file = format!("{name}-{numbers}.gguf");
            save_gguf(&model, folder.path(), &file, numbers).unwrap();
            let again = LanguageModel::load(folder.path().join(&file), &Device::flex()).unwrap();
            assert_eq!(again.config, model.config, "{file}");
            assert_eq!(again.stop_tokens, model.stop_tokens, "{file}");
            assert_eq!(
                again.tokenizer.special(),
                model.tokenizer.special(),
                "{file}"
            );
            let source = |model: &LanguageModel| {
                let template = model.chat_template.as_ref();
                template.map(|template| template.source().to_owned())
            };
            assert_eq!(source(&again), source(&model), "{file}");
            for text in &texts {
                let ids = |model: &LanguageModel| model.tokenizer.encode_plain(text).unwrap();
                assert_eq!(ids(&again), ids(&model), "{file}: {text:?}");
            }
            let hidden = |model: &LanguageModel| -> Vec<f32> {
                let hidden = model
                    .network
                    .forward(&[5, 300, 7, 260], &Segments::single(4));
                hidden.into_data().iter::<f32>().collect()
            };
            for (a, b) in hidden(&again).iter().zip(hidden(&model)) {
                assert!((a - b).abs() <= tolerance, "{file}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn new_ids_for_the_same_file_make_it_another_revision() {
    let revision = |name: &str| {
        let identity = LanguageModel::identity_of(reference().join(name)).unwrap();
        identity.revision
    };
    assert!(!revision("bpe.gguf").contains('+'));
    assert!(revision("spm.gguf").ends_with("+ids-2"));
}

#[cfg(unix)]
#[test]
fn weights_are_as_readable_as_other_new_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let model = LanguageModel::load(reference().join("bpe.gguf"), &Device::flex()).unwrap();
    save_huggingface(&model, folder.path(), StoredFormat::F32).unwrap();
    std::fs::write(folder.path().join("other"), "").unwrap();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        metadata.permissions().mode()
    };
    assert_eq!(mode("model.safetensors"), mode("other"));
}

#[test]
fn a_modelfile_has_the_parts_around_turns_and_the_tokens_that_end_them() {
    let model = LanguageModel::load(reference().join("bpe.gguf"), &Device::flex()).unwrap();
    let text = modelfile(&model, "a.gguf");
    assert!(text.starts_with("FROM ./a.gguf\n"), "{text}");
    assert!(text.contains("PARAMETER stop \"<|im_end|>\"\n"), "{text}");
    let turn = "{{ $m.Content }}<|im_end|>\n<|im_start|>assistant\n";
    assert!(text.contains(turn), "{text}");
}

#[test]
fn logits_of_models_with_reordered_rows_and_rotary_divisors() {
    let expected = expected();
    for (name, expected) in [("bpe", &expected.bpe), ("spm", &expected.spm)] {
        let path = reference().join(format!("{name}.gguf"));
        let model = LanguageModel::load(&path, &Device::flex()).unwrap();
        let ids = &expected.model_ids;
        let hidden = model.network.forward(ids, &Segments::single(ids.len()));
        let logits: Vec<f32> = model
            .network
            .logits(hidden)
            .into_data()
            .iter::<f32>()
            .collect();
        let last = &logits[logits.len() - expected.last_logits.len()..];
        for (found, expected) in last.iter().zip(&expected.last_logits) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{name}: {found} instead of {expected}"
            );
        }
        assert_eq!(model.identity.licence.as_deref(), Some("apache-2.0"));
        assert_eq!(model.stop_tokens, [2]);
    }
}

#[test]
fn a_directory_with_one_file_is_that_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        reference().join("bpe.gguf"),
        folder.path().join("model.gguf"),
    )
    .unwrap();
    assert!(LanguageModel::load(folder.path(), &Device::flex()).is_ok());
    std::fs::copy(
        reference().join("bpe.gguf"),
        folder.path().join("other.gguf"),
    )
    .unwrap();
    let error = LanguageModel::load(folder.path(), &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("several GGUF files"), "{error}");
}

fn load_bytes(bytes: &[u8]) -> Result<LanguageModel, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    LanguageModel::load(&path, &Device::flex())
}

#[test]
fn a_truncated_file_names_what_is_cut() {
    let whole = std::fs::read(reference().join("bpe.gguf")).unwrap();
    for length in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
        let error = load_bytes(&whole[..length]).unwrap_err().to_string();
        // An empty file cannot be mapped; all others say what is missing.
        assert!(
            length == 0 || error.contains("truncated"),
            "{length} bytes: {error}"
        );
    }
    let error = load_bytes(&whole[..whole.len() - 1])
        .unwrap_err()
        .to_string();
    assert!(error.contains("tensor `"), "{error}");
}

#[test]
fn a_false_count_costs_no_memory() {
    let whole = std::fs::read(reference().join("bpe.gguf")).unwrap();
    for (field, offset) in [("tensors", 8), ("keys", 16), ("first key", 24)] {
        let mut bytes = whole.clone();
        bytes[offset..offset + 8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        let error = load_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("model.gguf"), "{field}: {error}");
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let error = load_bytes(b"PK\x03\x04 not a model")
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a GGUF file"), "{error}");
    let mut bytes = std::fs::read(reference().join("bpe.gguf")).unwrap();
    bytes[4..8].copy_from_slice(&3u32.to_be_bytes());
    let error = load_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever bytes are wrong in header and metadata: an answer, never a panic.
    #[test]
    fn damaged_headers_never_panic(
        damage in proptest::collection::vec((0usize..9000, any::<u8>()), 1..8),
    ) {
        let mut bytes = std::fs::read(reference().join("bpe.gguf")).unwrap();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(file) = Gguf::open(&path) {
            let _ = Config::from_gguf(&file);
            let _ = Tokenizer::from_gguf(&file);
        }
    }
}
