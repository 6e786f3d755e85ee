//! NLLB against Transformers, rung by rung: token ids, hidden states and logits, beam search under
//! many options. Fixtures and their exporter: `reference/m2m100`.

mod tensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fixtures::difference;
use kernels::{Precision, Segments};
use models::beam_search::{BeamOptions, EarlyStopping, Hypothesis, beam_search};
use models::checkpoint::Checkpoint;
use models::generation::FinishReason;
use models::huggingface::SafetensorsCheckpoint;
use models::m2m100::{Encoded, M2m100, M2m100Config, TranslationTokenizer};
use models::{LoadError, TranslationModel};
use serde::Deserialize;
use serde_json::Value;
use tensors::values;

#[derive(Deserialize)]
struct Expected {
    tiny: Tokenized,
    legacy: Tokenized,
    decoded: Vec<Decoded>,
    searches: Vec<SearchCase>,
    forward: Forward,
}

#[derive(Deserialize)]
struct Tokenized {
    languages: Vec<String>,
    texts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

#[derive(Deserialize)]
struct Decoded {
    ids: Vec<u32>,
    text: String,
}

#[derive(Deserialize)]
struct SearchCase {
    options: BTreeMap<String, Value>,
    target: u32,
    sources: Vec<Vec<u32>>,
    outputs: Vec<Vec<u32>>,
    scores: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Forward {
    sources: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
}

fn folder(name: &str) -> PathBuf {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/m2m100");
    reference.join(name)
}

fn expected() -> Expected {
    let text = std::fs::read_to_string(folder("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn config(name: &str) -> M2m100Config {
    let text = std::fs::read_to_string(folder(name).join("config.json")).unwrap();
    M2m100Config::from_json(&text).unwrap()
}

fn network(name: &str) -> M2m100 {
    let checkpoint = SafetensorsCheckpoint::open(&folder(name)).unwrap();
    M2m100::load(&config(name), &checkpoint, &Device::flex()).unwrap()
}

fn packed(name: &str, format: Precision) -> M2m100 {
    let checkpoint = SafetensorsCheckpoint::open(&folder(name)).unwrap();
    M2m100::load_packed(&config(name), &checkpoint, format, &Device::flex()).unwrap()
}

#[test]
fn token_ids_of_both_behaviours() {
    let expected = expected();
    for (name, tokenized) in [("tiny", &expected.tiny), ("legacy", &expected.legacy)] {
        let tokenizer = TranslationTokenizer::load(&folder(name), 2).unwrap();
        let mut languages = tokenized.languages.clone();
        languages.sort();
        assert_eq!(tokenizer.languages(), languages);
        for (code, all) in &tokenized.ids {
            let language = tokenizer.language(code).unwrap();
            for (text, ids) in tokenized.texts.iter().zip(all) {
                assert_eq!(&tokenizer.encode(text, language).unwrap(), ids, "{text:?}");
            }
        }
    }
    let tokenizer = TranslationTokenizer::load(&folder("tiny"), 2).unwrap();
    for Decoded { ids, text } in &expected.decoded {
        assert_eq!(&tokenizer.decode(ids).unwrap(), text);
    }
}

#[test]
fn a_language_that_the_model_lacks_is_named() {
    let tokenizer = TranslationTokenizer::load(&folder("tiny"), 2).unwrap();
    let message = tokenizer.language("por_Cyrl").unwrap_err().to_string();
    assert!(message.contains("lacks the language por_Cyrl"), "{message}");
    assert!(
        message.contains("8 languages, among them por_Latn"),
        "{message}"
    );
    for wrong in ["", "é", "the", "</s>"] {
        assert!(tokenizer.language(wrong).is_err());
    }
}

#[test]
fn hidden_states_and_logits() {
    let Forward { sources, targets } = expected().forward;
    let path = folder("expected.safetensors");
    let tensors = SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path)).unwrap();
    let tensor = |name: &str| tensors.tensor(name, tensors.shape(name).unwrap()).unwrap();
    let source_segments = Segments::new(sources.iter().map(Vec::len));
    let target_segments = Segments::new(targets.iter().map(Vec::len));
    for (model, tolerance) in [
        (network("tiny"), 1e-4),
        (packed("tiny", Precision::F32), 1e-4),
        (packed("tiny", Precision::Bf16), 3e-2),
        (packed("tiny", Precision::Int8), 6e-2),
    ] {
        let encoder = model.encode(&sources.concat(), &source_segments);
        let off = difference(&values(encoder.clone()), &tensor("encoder"));
        assert!(off < tolerance, "encoder off by {off}");
        let encoded = model.encoded(encoder, &source_segments);
        let encoded: Vec<&Encoded> = encoded.iter().collect();
        let decoder = model.decode(&targets.concat(), &target_segments, &encoded);
        let off = difference(&values(decoder.clone()), &tensor("decoder"));
        assert!(off < tolerance, "decoder off by {off}");
        let off = difference(&values(model.logits(decoder)), &tensor("logits"));
        assert!(off < tolerance, "logits off by {off}");
    }
}

#[test]
fn states_of_beams_equal_uncached_ones() {
    let model = packed("tiny", Precision::F32);
    let Forward { sources, targets } = expected().forward;
    let segments = Segments::new(sources.iter().map(Vec::len));
    let encoded = model.encoded(model.encode(&sources.concat(), &segments), &segments);
    let encoded: Vec<&Encoded> = encoded.iter().collect();
    let target = &targets[0];
    let whole = model.decode(target, &Segments::single(target.len()), &encoded[..1]);
    let mut cache = model.new_cache();
    let slot = cache.open();
    let mut parts = Vec::new();
    for &token in target {
        let one = Segments::single(1);
        let hidden = model.decode_beams(&[token], &one, &encoded[..1], &mut cache, &[slot]);
        parts.extend(values(hidden));
        cache.advance(slot, &[0]);
    }
    let off = difference(&parts, &values(whole));
    assert!(off < 1e-5, "cached states off by {off}");
}

fn options(case: &SearchCase) -> BeamOptions {
    let mut options = BeamOptions {
        forced_bos: Some(case.target),
        batch_size: 3,
        ..BeamOptions::default()
    };
    for (key, value) in &case.options {
        let count = || value.as_u64().unwrap() as usize;
        match key.as_str() {
            "num_beams" => options.beam_size = count(),
            "max_new_tokens" => options.max_new_tokens = count(),
            "min_new_tokens" => options.min_new_tokens = count(),
            "no_repeat_ngram_size" => options.no_repeat_ngram_size = count(),
            "forced_eos_token_id" => options.forced_eos = Some(count() as u32),
            "length_penalty" => options.length_penalty = value.as_f64().unwrap(),
            "repetition_penalty" => options.repetition_penalty = value.as_f64().unwrap() as f32,
            "early_stopping" => {
                options.early_stopping = match value {
                    Value::Bool(true) => EarlyStopping::AtOnce,
                    Value::Bool(false) => EarlyStopping::WhenUnlikely,
                    _ => EarlyStopping::Never,
                }
            }
            other => panic!("option {other}"),
        }
    }
    options.check().unwrap();
    options
}

/// Every hypothesis of `generate`, whatever the batch: alone, three at a time with the next ones
/// entering as others leave, and all together.
#[test]
fn hypotheses_are_those_of_transformers() {
    let config = config("tiny");
    let cases = expected().searches;
    let sentences: usize = cases.iter().map(|case| case.sources.len()).sum();
    assert!(sentences >= 200, "{sentences}");
    for (model, batch_sizes) in [
        (network("tiny"), vec![32]),
        (packed("tiny", Precision::F32), vec![1, 3]),
    ] {
        for (number, case) in cases.iter().enumerate() {
            for &batch_size in &batch_sizes {
                let options = BeamOptions {
                    batch_size,
                    ..options(case)
                };
                let mut done = 0;
                let found =
                    beam_search(&model, &config, &case.sources, &options, &mut |n| done += n);
                assert_eq!(done, case.sources.len());
                for (row, (found, ids)) in found.iter().zip(&case.outputs).enumerate() {
                    let what = format!("case {number}, row {row}, {:?}", case.options);
                    assert_eq!(&found.ids, ids, "{what}");
                    let ended = ids.last() == Some(&config.eos_token_id);
                    assert_eq!(found.finish_reason == FinishReason::Stop, ended, "{what}");
                    if let Some(scores) = &case.scores {
                        assert!((found.score - scores[row]).abs() < 1e-3, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_to_translate_is_no_search() {
    let model = packed("tiny", Precision::Int8);
    let config = config("tiny");
    let options = BeamOptions::default();
    assert!(beam_search(&model, &config, &[], &options, &mut |_| ()).is_empty());
    let found = beam_search(
        &model,
        &config,
        &[vec![], vec![9, 2]],
        &options,
        &mut |_| (),
    );
    let nothing = Hypothesis {
        ids: vec![],
        score: 0.0,
        finish_reason: FinishReason::Stop,
    };
    assert_eq!(found[0], nothing);
    assert!(!found[1].ids.is_empty());
}

/// A shard in bfloat16 and the legacy tokenizer load; all formats translate.
#[test]
fn directories_load() {
    for format in [Precision::F32, Precision::Bf16, Precision::Int8] {
        for name in ["tiny", "legacy"] {
            let model = TranslationModel::load(&folder(name), format, &Device::flex()).unwrap();
            let english = model.tokenizer.language("eng_Latn").unwrap();
            let source = model
                .tokenizer
                .encode("The library opens.", english)
                .unwrap();
            let options = BeamOptions {
                forced_bos: Some(model.tokenizer.language("por_Latn").unwrap()),
                max_new_tokens: 8,
                ..BeamOptions::default()
            };
            let found = model.search(&[source], &options, &mut |_| ());
            assert_eq!(Some(found[0].ids[0]), options.forced_bos);
        }
    }
}

/// A copy of the tiny model without some of its files.
fn broken(change: impl FnOnce(&Path)) -> LoadError {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder("tiny")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    change(copy.path());
    TranslationModel::load(copy.path(), Precision::F32, &Device::flex()).unwrap_err()
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} holds no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let cases: [(LoadError, &str); 8] = [
        (
            broken(|f| std::fs::remove_file(f.join("config.json")).unwrap()),
            "config.json",
        ),
        (
            broken(|f| std::fs::remove_file(f.join("model.safetensors")).unwrap()),
            "contains no weights",
        ),
        (
            broken(|f| std::fs::remove_file(f.join("tokenizer.json")).unwrap()),
            "no tokenizer.json",
        ),
        (
            broken(|f| edit(f, "config.json", "\"m2m_100\"", "\"nllb-moe\"")),
            "`model_type` is \"nllb-moe\"",
        ),
        (
            broken(|f| {
                edit(
                    f,
                    "config.json",
                    "\"encoder_layers\": 2",
                    "\"encoder_layers\": 3",
                )
            }),
            "tensor `model.encoder.layers.2.self_attn.q_proj.bias` is missing",
        ),
        (
            broken(|f| {
                edit(
                    f,
                    "config.json",
                    "\"decoder_layers\": 2",
                    "\"decoder_layers\": 1",
                )
            }),
            "tensors have no place",
        ),
        (
            broken(|f| {
                edit(
                    f,
                    "config.json",
                    "\"decoder_ffn_dim\": 32",
                    "\"decoder_ffn_dim\": 33",
                )
            }),
            "`model.decoder.layers.0.fc1.bias` has shape [32]",
        ),
        (
            broken(|f| {
                edit(
                    f,
                    "config.json",
                    "\"encoder_attention_heads\": 4",
                    "\"encoder_attention_heads\": 5",
                )
            }),
            "not a multiple of `encoder_attention_heads`",
        ),
    ];
    for (error, part) in cases {
        assert!(error.to_string().contains(part), "{error}");
    }
    let missing = TranslationModel::load(&folder("none"), Precision::F32, &Device::flex());
    assert!(missing.unwrap_err().to_string().contains("not a directory"));
}
