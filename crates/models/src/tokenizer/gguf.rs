//! Converts a GGUF file's tokenizer metadata to an equivalent `tokenizer.json`.
//!
//! Reference: `llama-vocab.cpp` of llama.cpp for the named pre-tokenizers, and the GGUF integration
//! of Transformers for the pipelines around them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{SpecialTokens, TokenizerError};
use crate::gguf::{Gguf, GgufError};

/// Codes of `tokenizer.ggml.token_type`.
pub(super) mod kind {
    pub const NORMAL: i64 = 1;
    pub const UNKNOWN: i64 = 2;
    pub const CONTROL: i64 = 3;
    pub const USER_DEFINED: i64 = 4;
    pub const UNUSED: i64 = 5;
    pub const BYTE: i64 = 6;
}

/// Pre-tokenizer of Llama 3.
pub(super) const LLAMA_3: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| \
    ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// Pre-tokenizer of Qwen 2: that of Llama 3 with single digits.
pub(super) const QWEN_2: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| \
    ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// Pre-tokenizer of Mistral's Tekken.
pub(super) const TEKKEN: &str = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*\
    [\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+\
    [\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// The version of the ids that texts get by this file's kind of tokenizer, raised with every change
/// of them. The file does not change with it, so it is part of the model's identity: rows that were
/// made from other ids are not taken for those of the same model.
///
/// SentencePiece's second version puts the space before a text after control tokens, too, and not
/// before a text that begins with one.
pub(super) fn ids_version(file: &Gguf) -> Result<u32, GgufError> {
    Ok(match file.text("tokenizer.ggml.model")? {
        Some("llama") => 2,
        _ => 1,
    })
}

/// The `tokenizer.json` and the named special tokens.
pub(super) fn tokenizer_json(file: &Gguf) -> Result<(Value, SpecialTokens), TokenizerError> {
    let key = "tokenizer.ggml.tokens";
    let tokens = file.texts(key)?.ok_or_else(|| file.missing(key))?;
    let named = |key: &str| -> Result<Option<String>, GgufError> {
        let id = file.unsigned(key)?;
        Ok(id.and_then(|id| tokens.get(id)).cloned())
    };
    let special = SpecialTokens {
        bos: named("tokenizer.ggml.bos_token_id")?,
        eos: named("tokenizer.ggml.eos_token_id")?,
        unk: named("tokenizer.ggml.unknown_token_id")?,
        pad: named("tokenizer.ggml.padding_token_id")?,
    };
    let key = "tokenizer.ggml.model";
    let pipeline = match file.text(key)?.ok_or_else(|| file.missing(key))? {
        "gpt2" => byte_level(file, tokens)?,
        "llama" => sentence_piece(file, tokens, &special)?,
        other => {
            return Err(TokenizerError::Unsupported {
                path: file.path().to_path_buf(),
                key,
                value: other.to_owned(),
                supported: "use \"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece BPE)",
            });
        }
    };
    let flag = |key: &str| file.bool(key);
    let add_bos = flag("tokenizer.ggml.add_bos_token")?.unwrap_or(pipeline.adds_bos);
    let add_eos = flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let around = [
        add_bos.then_some(&special.bos),
        add_eos.then_some(&special.eos),
    ]
    .map(|token| token.and_then(|token| token.as_deref()));
    let post_processor = match around {
        [None, None] => pipeline.post_processor,
        [bos, eos] => template(tokens, bos, eos),
    };
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(file, tokens)?,
        "normalizer": pipeline.normalizer,
        "pre_tokenizer": pipeline.pre_tokenizer,
        "post_processor": post_processor,
        "decoder": pipeline.decoder,
        "model": pipeline.model,
    });
    Ok((json, special))
}

/// The stages of a tokenizer in the format of `tokenizer.json`.
struct Pipeline {
    normalizer: Value,
    pre_tokenizer: Value,
    model: Value,
    decoder: Value,
    post_processor: Value,
    /// Whether plain text begins with BOS if the file does not say.
    adds_bos: bool,
}

fn vocabulary(tokens: &[String]) -> Map<String, Value> {
    tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.clone(), json!(id)))
        .collect()
}

/// GPT-2's byte-level BPE, with text split according to `tokenizer.ggml.pre`.
fn byte_level(file: &Gguf, tokens: &[String]) -> Result<Pipeline, TokenizerError> {
    let key = "tokenizer.ggml.merges";
    let merges = file.texts(key)?.ok_or_else(|| file.missing(key))?;
    let key = "tokenizer.ggml.pre";
    let name = match (file.text(key)?, file.text("general.architecture")?) {
        (Some(name), _) => name,
        // Files from before the key was introduced; these families have one pre-tokenizer each.
        (None, Some("gpt2")) => "gpt-2",
        (None, Some("qwen2")) => "qwen2",
        (None, _) => {
            return Err(TokenizerError::File {
                path: file.path().to_path_buf(),
                message: format!(
                    "metadata key `{key}` is missing, so the file does not say how text is split \
                     into words; convert the model again, or use a file made after April 2024"
                ),
            });
        }
    };
    let bytes = |use_regex: bool| {
        json!({
            "type": "ByteLevel",
            "add_prefix_space": false,
            "trim_offsets": true,
            "use_regex": use_regex,
        })
    };
    let split = |pattern: &str| {
        json!({
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": pattern},
                    "behavior": "Isolated",
                    "invert": false,
                },
                bytes(false),
            ],
        })
    };
    let (pre_tokenizer, whole_words, normalizer) = match name {
        "default" | "gpt-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" => {
            (bytes(true), false, Value::Null)
        }
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            let both = json!({"type": "Sequence", "pretokenizers": [digits, bytes(true)]});
            (both, false, Value::Null)
        }
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral" | "dbrx" | "smaug-bpe" => {
            (split(LLAMA_3), true, Value::Null)
        }
        "qwen2" | "deepseek-r1-qwen" | "megrez" => (split(QWEN_2), false, json!({"type": "NFC"})),
        "tekken" => (split(TEKKEN), true, Value::Null),
        other => {
            return Err(TokenizerError::Unsupported {
                path: file.path().to_path_buf(),
                key,
                value: other.to_owned(),
                supported: "convert the model to a Hugging Face directory with a tokenizer.json",
            });
        }
    };
    Ok(Pipeline {
        normalizer,
        pre_tokenizer,
        model: json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": whole_words,
            "vocab": vocabulary(tokens),
            "merges": merges,
        }),
        decoder: bytes(true),
        post_processor: json!({
            "type": "ByteLevel",
            "add_prefix_space": false,
            "trim_offsets": false,
            "use_regex": true,
        }),
        adds_bos: matches!(name, "llama3" | "llama-v3" | "llama-bpe" | "tekken"),
    })
}

/// SentencePiece BPE with byte fallback; merges are recovered from the scores.
fn sentence_piece(
    file: &Gguf,
    tokens: &[String],
    special: &SpecialTokens,
) -> Result<Pipeline, TokenizerError> {
    let merges: Vec<Value> = match file.texts("tokenizer.ggml.merges")? {
        Some(merges) => merges.iter().map(|merge| json!(merge)).collect(),
        None => {
            let key = "tokenizer.ggml.scores";
            let scores = file.floats(key)?.ok_or_else(|| file.missing(key))?;
            if scores.len() != tokens.len() {
                return Err(TokenizerError::File {
                    path: file.path().to_path_buf(),
                    message: format!(
                        "metadata key `{key}` has {} values for {} tokens",
                        scores.len(),
                        tokens.len()
                    ),
                });
            }
            let kinds = file.integers("tokenizer.ggml.token_type")?;
            merges_by_score(tokens, scores, kinds.unwrap_or_default())
                .into_iter()
                .map(|pair| json!(pair))
                .collect()
        }
    };
    let add_prefix = file
        .bool("tokenizer.ggml.add_space_prefix")?
        .unwrap_or(true);
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if add_prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Ok(Pipeline {
        normalizer: Value::Null,
        // The space also comes after every control token, as in the published tokenizers of Llama 2
        // and in llama.cpp.
        pre_tokenizer: json!({
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": if add_prefix { "always" } else { "never" },
            "split": false,
        }),
        model: json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": special.unk,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocabulary(tokens),
            "merges": merges,
        }),
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        post_processor: Value::Null,
        adds_bos: true,
    })
}

/// Every way to form a token from two others, best score first; of equal scores the longer left
/// part first, then the longer right part, then vocabulary order. Control tokens, of the given
/// `kinds`, are no pieces of text.
fn merges_by_score<'a>(
    tokens: &'a [String],
    scores: &[f64],
    kinds: &[i64],
) -> Vec<(&'a str, &'a str)> {
    let ids: HashMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.as_str(), id))
        .collect();
    let mut merges = Vec::new();
    for (id, (token, &score)) in tokens.iter().zip(scores).enumerate() {
        if kinds.get(id) == Some(&kind::CONTROL) {
            continue;
        }
        let mut splits: Vec<_> = token
            .char_indices()
            .skip(1)
            .enumerate()
            .filter_map(|(before, (at, _))| {
                let (left, right) = token.split_at(at);
                let order = (*ids.get(left)?, *ids.get(right)?);
                let lengths = (before + 1, right.chars().count());
                Some((order, score, lengths, (left, right)))
            })
            .collect();
        splits.sort_by_key(|(order, ..)| *order);
        merges.extend(splits);
    }
    merges.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.cmp(&a.2)));
    merges.into_iter().map(|(.., pair)| pair).collect()
}

/// Control tokens are special; user-defined tokens are matched whole but represent text.
fn added_tokens(file: &Gguf, tokens: &[String]) -> Result<Vec<Value>, TokenizerError> {
    let kinds = file
        .integers("tokenizer.ggml.token_type")?
        .unwrap_or_default();
    let added = tokens
        .iter()
        .zip(kinds)
        .enumerate()
        .filter_map(|(id, (token, &kind))| {
            let special = match kind {
                kind::CONTROL => true,
                kind::USER_DEFINED => false,
                _ => return None,
            };
            Some(json!({
                "id": id,
                "content": token,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": special,
            }))
        });
    Ok(added.collect())
}

/// Adds BOS before and EOS after a text.
fn template(tokens: &[String], bos: Option<&str>, eos: Option<&str>) -> Value {
    let token = |name: &str, side: usize| json!({"SpecialToken": {"id": name, "type_id": side}});
    let text = |name: &str, side: usize| {
        let mut parts = Vec::new();
        parts.extend(bos.map(|bos| token(bos, side)));
        parts.push(json!({"Sequence": {"id": name, "type_id": side}}));
        parts.extend(eos.map(|eos| token(eos, side)));
        parts
    };
    let ids = |name: &str| tokens.iter().position(|token| token == name);
    let special_tokens: Map<String, Value> = [bos, eos]
        .into_iter()
        .flatten()
        .map(|name| {
            (
                name.to_owned(),
                json!({"id": name, "ids": [ids(name)], "tokens": [name]}),
            )
        })
        .collect();
    let pair = [text("A", 0), text("B", 1)].concat();
    json!({
        "type": "TemplateProcessing",
        "single": text("A", 0),
        "pair": pair,
        "special_tokens": special_tokens,
    })
}
