//! The files beside a model's weights: configurations, tokenizers, adapters, and those of COMET.

use std::path::Path;

use burn::tensor::Device;
use corpus::language::Language;
use corpus::seam::{QualityEstimator, Translator};
use engines::comet_kiwi::CometKiwi;
use engines::nllb::{NllbOptions, NllbTranslator};
use models::comet::CometOptions;
use models::scoring::{ScoredSequence, log_probabilities};
use models::tokenizer::{SpecialTokens, Tokenizer};
use models::{ComputeDevice, LanguageModel};

use crate::chance::Chance;
use crate::runner::{Files, Reader, any, reference};
use crate::{formats, json, text};

/// Texts that tokenizers find hard.
const TEXTS: [&str; 5] = [
    "",
    "Hello world",
    "naïve </s> 你好 <|im_end|>  12",
    "\u{0}\u{10fffd}\r\n\t\u{a0}\u{200d}😀",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                                             !",
];

/// Loads a model and uses it for a little of everything; whether there is one.
pub fn used(path: &Path) -> bool {
    let Ok(model) = LanguageModel::load(path, &Device::flex()) else {
        return false;
    };
    for text in TEXTS {
        let Ok(sequence) = ScoredSequence::plain(&model.tokenizer, text) else {
            continue;
        };
        let _ = model.tokenizer.decode(&sequence.ids);
        log_probabilities(&model, &[sequence], &mut |_| {});
    }
    true
}

fn change(chance: &mut Chance, files: &mut Files) {
    let mut of_text: Vec<(&String, &mut Vec<u8>)> = files
        .iter_mut()
        .filter(|(name, _)| !name.ends_with(".safetensors") && !name.ends_with(".ckpt"))
        .collect();
    let number = chance.below(of_text.len());
    let (name, content) = &mut of_text[number];
    if name.ends_with("tokenizer.json") {
        formats::tokenizer(chance, content);
    } else {
        json::change(chance, content);
    }
}

fn with_tokenizer(name: &str) -> bool {
    let files = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ];
    files.contains(&name)
}

#[test]
fn config_json() {
    let mut seeds: Vec<Files> = ["mt_llm/llama", "mt_llm/gpt2", "llama/grouped_tied"]
        .iter()
        .map(|path| reference(path, with_tokenizer))
        .collect();
    // Configurations of other families on a tokenizer that fits none: they must be refused, too.
    for other in [
        "gemma3/seven_layers",
        "qwen3/tied",
        "llama/llama3_rope",
        "llama/qwen2_windowed",
    ] {
        let mut files = reference(other, with_tokenizer);
        files.insert("tokenizer.json".into(), seeds[0]["tokenizer.json"].clone());
        seeds.push(files);
    }
    let generation = br#"{"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0}"#;
    for files in &mut seeds {
        files.insert("generation_config.json".into(), generation.to_vec());
    }
    Reader {
        name: "config_json",
        seeds,
        inputs: 250,
        memory: 256 << 20,
        change: &|chance, files, _| change(chance, files),
        read: &used,
    }
    .fuzz();
}

#[test]
fn adapter() {
    let wanted = |name: &str| !name.starts_with("expected") && !name.ends_with(".py");
    let mut seeds = Vec::new();
    for (adapter, base) in [
        ("mt_llm/llama_adapter", "mt_llm/llama"),
        ("mt_llm/gpt2_adapter", "mt_llm/gpt2"),
    ] {
        let mut files = reference(adapter, wanted);
        let config = files
            .get_mut("adapter_config.json")
            .expect("a configuration");
        let mut value: serde_json::Value = serde_json::from_slice(config).expect("JSON");
        value["base_model_name_or_path"] = serde_json::json!(fixtures::reference(base));
        *config = value.to_string().into_bytes();
        seeds.push(files);
    }
    Reader {
        name: "adapter",
        seeds,
        inputs: 150,
        memory: 256 << 20,
        change: &|chance, files, other| match any(chance, files) {
            (name, content) if name.ends_with(".safetensors") => {
                formats::safetensors(chance, content, other.values().next().expect("a file"));
            }
            (_, content) => json::change(chance, content),
        },
        read: &used,
    }
    .fuzz();
}

#[test]
fn tokenizer_json() {
    let sources = [
        "mt_llm/llama",
        "mt_llm/gpt2",
        "mt_llm/xlm_roberta",
        "mt_llm/bert",
        "m2m100/tiny",
        "llama/grouped_tied",
    ];
    let seeds = sources
        .iter()
        .map(|path| reference(path, |name| name == "tokenizer.json"));
    Reader {
        name: "tokenizer_json",
        seeds: seeds.collect(),
        inputs: 250,
        memory: 256 << 20,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            formats::tokenizer(chance, content);
        },
        read: &|folder| {
            let file = folder.join("tokenizer.json");
            let Ok(tokenizer) = Tokenizer::from_file(&file, SpecialTokens::default()) else {
                return false;
            };
            for text in TEXTS {
                let ids = tokenizer.encode(text).unwrap_or_default();
                let _ = tokenizer.decode(&ids);
                let _ = tokenizer.decode_with_special(&ids);
                let _ = tokenizer.encode_text(text);
                let _ = tokenizer.encode_plain(text);
                let _ = tokenizer.encode_with_offsets(text);
                let _ = tokenizer.lay_out(text, Some("b"), 16);
            }
            true
        },
    }
    .fuzz();
}

#[test]
fn nllb() {
    Reader {
        name: "nllb",
        seeds: vec![reference("m2m100/tiny", |_| true)],
        inputs: 80,
        memory: 256 << 20,
        change: &|chance, files, _| change(chance, files),
        read: &|folder| {
            let options = NllbOptions::default();
            let Ok(translator) = NllbTranslator::load(folder, options) else {
                return false;
            };
            let texts = ["A house.".to_owned()];
            translator
                .translate(&texts, Language::ENGLISH, Language::PORTUGUESE)
                .is_ok()
        },
    }
    .fuzz();
}

#[test]
fn comet() {
    let wanted = |name: &str| !name.starts_with("expected") && !name.starts_with("hidden");
    let variants = ["kiwi", "referenceless_max", "comet"];
    Reader {
        name: "comet",
        seeds: variants
            .iter()
            .map(|name| reference(&format!("comet/{name}"), wanted))
            .collect(),
        inputs: 120,
        memory: 256 << 20,
        change: &|chance, files, other| match any(chance, files) {
            (name, content) if name.ends_with(".ckpt") => {
                let lent = other.values().last().expect("a file");
                formats::pytorch(chance, content, lent);
            }
            (name, content) if name.ends_with("tokenizer.json") => {
                formats::tokenizer(chance, content)
            }
            (name, content) if name.ends_with(".json") => json::change(chance, content),
            (_, content) => text::change(
                chance,
                content,
                &[
                    ": ",
                    "- ",
                    "!!python/object",
                    "&a *a",
                    "|\n",
                    "{",
                    "[",
                    "1e9",
                    "null",
                ],
            ),
        },
        read: &|folder| {
            let kiwi = CometKiwi::load_reference_free(
                folder,
                &CometOptions::default(),
                ComputeDevice::Cpu,
            );
            let pairs = [
                ("A house.".to_owned(), "Uma casa.".to_owned()),
                (String::new(), TEXTS[3].to_owned()),
            ];
            kiwi.is_ok_and(|kiwi| {
                kiwi.estimate(&pairs, Language::ENGLISH, Language::PORTUGUESE)
                    .is_ok()
            })
        },
    }
    .fuzz();
}
