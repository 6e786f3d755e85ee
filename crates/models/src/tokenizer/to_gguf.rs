//! A tokenizer as the metadata of a GGUF file: the inverse of [`super::gguf`].
//!
//! Reference: `convert_hf_to_gguf.py` of llama.cpp.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::gguf::{LLAMA_3, QWEN_2, TEKKEN, kind};
use super::{Tokenizer, TokenizerError};
use crate::gguf::Value;

impl Tokenizer {
    /// The keys `tokenizer.ggml.…` that describe it, for a token table of `vocab_size` rows.
    /// `end_of_turn` is the token that ends an answer, if it is not the one that ends a text.
    pub(crate) fn to_gguf(
        &self,
        vocab_size: usize,
        end_of_turn: Option<u32>,
    ) -> Result<Vec<(String, Value)>, TokenizerError> {
        let json: Json = serde_json::from_str(&self.to_json()?)
            .map_err(|error| TokenizerError::Failed(error.to_string()))?;
        if json["model"]["type"] != "BPE" {
            return Err(no_counterpart(format!(
                "its kind is {}; only BPE can be written",
                json["model"]["type"]
            )));
        }
        let is_sentence_piece = json["model"]["byte_fallback"] == true;
        let merges = merges(&json["model"]["merges"]);
        let tokens = self.tokens(vocab_size);
        let kinds = self.kinds(&tokens, is_sentence_piece);

        let mut keys = Vec::new();
        let mut set = |key: &str, value| keys.push((format!("tokenizer.ggml.{key}"), value));
        if is_sentence_piece {
            set("model", Value::Text("llama".into()));
            set("pre", Value::Text("default".into()));
            set("scores", Value::Floats(scores(&tokens, &merges)));
            set("add_space_prefix", Value::Bool(adds_space(&json)));
        } else {
            set("model", Value::Text("gpt2".into()));
            set("pre", Value::Text(pre_tokenizer(&json)?.into()));
            let joined = merges.iter().map(|[left, right]| format!("{left} {right}"));
            set("merges", Value::Texts(joined.collect()));
        }
        set("tokens", Value::Texts(tokens));
        set("token_type", Value::Integers(kinds));
        let [plain, bare] = [self.encode_plain("a")?, self.encode("a")?];
        let added = plain.len() > bare.len();
        let begins = added && plain.first().copied() == self.bos_id();
        let ends = added && plain.last().copied() == self.eos_id();
        set("add_bos_token", Value::Bool(begins));
        set("add_eos_token", Value::Bool(ends));
        let special = &self.special;
        let named = [
            ("bos_token_id", &special.bos),
            ("eos_token_id", &special.eos),
            ("unknown_token_id", &special.unk),
            ("padding_token_id", &special.pad),
        ];
        let ids = named.map(|(key, token)| (key, token.as_deref().and_then(|name| self.id(name))));
        for (key, id) in ids.into_iter().chain([("eot_token_id", end_of_turn)]) {
            if let Some(id) = id {
                set(key, Value::Integer(i64::from(id)));
            }
        }
        Ok(keys)
    }

    /// The names of all rows of the token table; rows without a token have names of their own.
    fn tokens(&self, vocab_size: usize) -> Vec<String> {
        let name = |id| self.token(id as u32);
        let names = (0..vocab_size).map(|id| name(id).unwrap_or_else(|| format!("[PAD{id}]")));
        names.collect()
    }

    /// The kind of each token.
    fn kinds(&self, tokens: &[String], is_sentence_piece: bool) -> Vec<i64> {
        let added = self.inner.get_added_tokens_decoder();
        let unknown = self.special.unk.as_deref();
        let of = |(id, token): (usize, &String)| match added.get(&(id as u32)) {
            _ if self.token(id as u32).is_none() => kind::UNUSED,
            _ if is_sentence_piece && unknown == Some(token) => kind::UNKNOWN,
            Some(token) if token.special => kind::CONTROL,
            Some(_) => kind::USER_DEFINED,
            None if is_sentence_piece && is_byte(token) => kind::BYTE,
            None => kind::NORMAL,
        };
        tokens.iter().enumerate().map(of).collect()
    }
}

fn no_counterpart(problem: String) -> TokenizerError {
    TokenizerError::NoGguf(problem)
}

/// `<0x0A>`
fn is_byte(token: &str) -> bool {
    let digits = token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

/// The merges, which older files write as one text with a space.
fn merges(json: &Json) -> Vec<[String; 2]> {
    let merges = json.as_array().into_iter().flatten();
    let pair = |merge: &Json| {
        let (left, right) = match merge.as_str() {
            Some(joined) => joined.split_once(' ')?,
            None => (merge[0].as_str()?, merge[1].as_str()?),
        };
        Some([left.to_owned(), right.to_owned()])
    };
    merges.filter_map(pair).collect()
}

/// Scores that order tokens as the merges that form them: llama.cpp joins the pair whose token has
/// the highest score. A token that no merge forms comes after all others.
fn scores(tokens: &[String], merges: &[[String; 2]]) -> Vec<f64> {
    let mut ranks = HashMap::new();
    for [left, right] in merges {
        let next = ranks.len();
        ranks.entry(format!("{left}{right}")).or_insert(next);
    }
    let score = |token: &String| match ranks.get(token) {
        Some(&rank) => -(rank as f64),
        None if is_byte(token) => 0.0,
        None => -1e9,
    };
    tokens.iter().map(score).collect()
}

/// Whether a space goes before a text: a `Prepend` in the normalizer, or a `Metaspace` that
/// prepends.
fn adds_space(json: &Json) -> bool {
    let parts = |stage: &Json, inner: &str| -> Vec<Json> {
        match stage[inner].as_array() {
            Some(parts) => parts.clone(),
            None => vec![stage.clone()],
        }
    };
    let normalizers = parts(&json["normalizer"], "normalizers");
    let pre_tokenizers = parts(&json["pre_tokenizer"], "pretokenizers");
    normalizers.iter().any(|part| part["type"] == "Prepend")
        || pre_tokenizers
            .iter()
            .any(|part| part["type"] == "Metaspace" && part["prepend_scheme"] != "never")
}

/// llama.cpp's name for the way in which text is split into words.
fn pre_tokenizer(json: &Json) -> Result<&'static str, TokenizerError> {
    let stage = &json["pre_tokenizer"];
    let parts = match stage["pretokenizers"].as_array() {
        Some(parts) => parts.clone(),
        None => vec![stage.clone()],
    };
    let pattern = |part: &Json| part["pattern"]["Regex"].as_str().map(str::to_owned);
    let known = match parts.as_slice() {
        [bytes] if bytes["type"] == "ByteLevel" && bytes["use_regex"] != false => Some("gpt-2"),
        [digits, bytes]
            if digits["type"] == "Digits"
                && digits["individual_digits"] == true
                && bytes["type"] == "ByteLevel" =>
        {
            Some("smollm")
        }
        [split, bytes] if split["type"] == "Split" && bytes["type"] == "ByteLevel" => {
            let known = [
                (LLAMA_3, "llama-bpe"),
                (QWEN_2, "qwen2"),
                (TEKKEN, "tekken"),
            ];
            let found = pattern(split);
            let named = known
                .into_iter()
                .find(|(known, _)| found.as_deref() == Some(known));
            named.map(|(_, name)| name)
        }
        _ => None,
    };
    known.ok_or_else(|| {
        no_counterpart(format!(
            "no name is known in llama.cpp for its way to split text, {stage}; write the model \
             with --to merged and convert that with llama.cpp"
        ))
    })
}
