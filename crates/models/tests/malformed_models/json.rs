//! The JSON files of a model directory, with values that their readers do not expect.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use models::LanguageModel;
use models::scoring::{ScoredSequence, log_probabilities};
use models::tokenizer::{SpecialTokens, Tokenizer};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::damage::{LARGEST, damage, damaged, reference};
use crate::rounds;

/// More than any of these files can ask for with reason.
const MUCH: usize = 256 << 20;

/// A value that stands somewhere in a file, by its number, and what takes its place.
type Change = (usize, Option<Value>);

/// `None` removes a value from its object or list.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let values = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(0.5),
        json!(-0.0),
        json!(1e300),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1u64 << 40),
        json!(""),
        json!("x"),
        json!("\u{10fffd}"),
        json!("(a|a)*b"),
        json!("[unk"),
        json!("▁"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!([0, 0]),
        json!(["a", "a"]),
        json!({"type": "BPE"}),
        json!({"type": "Sequence", "normalizers": []}),
        json!({"type": "Prepend", "prepend": "aaaaaaaa"}),
        json!({"type": "ByteLevel"}),
    ];
    let value = prop_oneof![8 => prop::sample::select(values).prop_map(Some), 1 => Just(None)];
    vec(
        (
            any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20)),
            value,
        ),
        1..4,
    )
}

/// Number of values in `json`, itself included.
fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the value that comes `at`-th in a walk; returns whether it was among those of `json`.
fn change(json: &mut Value, at: &mut usize, to: &Option<Value>) -> bool {
    if *at == 0 {
        if let Some(to) = to {
            *json = to.clone();
        }
        return true;
    }
    *at -= 1;
    match json {
        Value::Array(values) => {
            for index in 0..values.len() {
                if *at == 0 && to.is_none() {
                    values.remove(index);
                    return true;
                }
                if change(&mut values[index], at, to) {
                    return true;
                }
            }
        }
        Value::Object(entries) => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            for key in keys {
                if *at == 0 && to.is_none() {
                    entries.remove(&key);
                    return true;
                }
                if change(&mut entries[&key], at, to) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(bytes).unwrap();
    for (number, to) in changes {
        let mut at = number % count(&json);
        change(&mut json, &mut at, to);
    }
    json.to_string().into_bytes()
}

/// A copy of a folder of `reference/` with one file replaced.
fn copied(source: &str, folder: &Path, replaced: &str, with: impl Fn(&[u8]) -> Vec<u8>) {
    for entry in fs::read_dir(reference(source)).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut bytes = fs::read(entry.path()).unwrap();
        if name == replaced {
            bytes = with(&bytes);
        }
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Loads a model and uses it for a little of everything.
fn used(folder: &Path) {
    let Ok(model) = LanguageModel::load(folder, &Device::flex()) else {
        return;
    };
    for text in ["", "Hello world", "naïve </s> 你好 <|im_end|>  12"] {
        let Ok(sequence) = ScoredSequence::plain(&model.tokenizer, text) else {
            continue;
        };
        let _ = model.tokenizer.decode(&sequence.ids);
        log_probabilities(&model, &[sequence], &mut |_| {});
    }
}

proptest! {
    #![proptest_config(rounds(300))]

    #[test]
    fn strange_configs_are_read_or_refused(
        file in 0usize..4,
        folder in 0usize..3,
        changes in changes(),
    ) {
        let file = ["config.json", "tokenizer_config.json", "generation_config.json",
                    "special_tokens_map.json"][file];
        let source = ["mt_llm/llama", "mt_llm/gpt2", "llama/grouped_tied"][folder];
        let folder = tempfile::tempdir().unwrap();
        copied(source, folder.path(), file, |bytes| changed(bytes, &changes));
        LARGEST.store(0, Ordering::Relaxed);
        used(folder.path());
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn strange_tokenizers_are_read_or_refused(
        folder in 0usize..4,
        changes in changes(),
    ) {
        let sources = ["mt_llm/llama", "mt_llm/gpt2", "mt_llm/xlm_roberta", "mt_llm/bert"];
        let mut json: Value = serde_json::from_slice(
            &fs::read(reference(sources[folder]).join("tokenizer.json")).unwrap(),
        ).unwrap();
        // Most values of a file are its vocabulary; those of the other sections count as much.
        let (vocabulary, rest) = (json["model"].take(), json);
        let mut json: Value = serde_json::from_slice(&changed(rest.to_string().as_bytes(), &changes)).unwrap();
        if let Some(parts) = json.as_object_mut() {
            let number = changes[0].0;
            let model = match number % 3 {
                0 => serde_json::from_slice(&changed(vocabulary.to_string().as_bytes(), &changes)).unwrap(),
                _ => vocabulary,
            };
            parts.insert("model".into(), model);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, json.to_string()).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(tokenizer) = Tokenizer::from_file(&path, SpecialTokens::default()) {
            for text in ["", "Hello world", "naïve </s> 你好 <|im_end|>  12"] {
                let ids = tokenizer.encode(text).unwrap_or_default();
                let _ = tokenizer.decode(&ids);
                let _ = tokenizer.encode_plain(text);
                let _ = tokenizer.lay_out(text, Some("b"), 16);
            }
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn damaged_json_is_read_or_refused(
        file in 0usize..3,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let file = ["config.json", "tokenizer.json", "tokenizer_config.json"][file];
        let folder = tempfile::tempdir().unwrap();
        copied("mt_llm/llama", folder.path(), file, |bytes| damaged(bytes, &damage, length));
        LARGEST.store(0, Ordering::Relaxed);
        used(folder.path());
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn strange_adapters_are_read_or_refused(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        copied("mt_llm/llama_adapter", folder.path(), "adapter_config.json", |bytes| {
            let mut json: Value = serde_json::from_slice(bytes).unwrap();
            json["base_model_name_or_path"] = json!(reference("mt_llm/llama"));
            changed(json.to_string().as_bytes(), &changes)
        });
        LARGEST.store(0, Ordering::Relaxed);
        used(folder.path());
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }
}
