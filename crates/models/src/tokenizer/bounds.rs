//! Limits for what a `tokenizer.json` may ask of the library that runs it.

use std::ffi::c_ulong;
use std::fmt;
use std::sync::Once;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Maximum length of the text of an added token and of any other text in the steps around the
/// model, in bytes: matching takes time that grows with the square of it. Published ones have less
/// than 1,000.
const TEXT: usize = 4096;
/// Maximum number of steps: each can double a text.
const STEPS: usize = 16;
/// The one long text, a table of characters that SentencePiece compiles, and its maximum length.
const CHARSMAP: (&str, usize) = ("precompiled_charsmap", 4 << 20);
/// Maximum id of a token: the library counts all numbers up to it. Published vocabularies have less
/// than 300,000 tokens.
const ID: u64 = 1 << 24;

/// Maximum number of steps back of a regular expression in one search, a few seconds. Oniguruma has
/// such a limit, 10 million, for the matches at one place of a text, but none for all its places
/// together. A text without a match takes up to a step a letter.
const STEPS_BACK: c_ulong = 20_000_000;

/// Ends searches of regular expressions that would take for ever; the crate `onig` then panics.
pub(super) fn limit_searches() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets a number, before this process has a tokenizer that could search with it.
        unsafe { onig_sys::onig_set_retry_limit_in_search(STEPS_BACK) };
    });
}

/// A `tokenizer.json`, with the extremes of its model.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    model: Extremes,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
}

#[derive(Deserialize)]
struct Added {
    content: String,
    id: u64,
}

/// The length of the longest text in a JSON value, keys included, and its highest whole number.
/// Nothing else is kept of it, since vocabularies are large.
#[derive(Default)]
struct Extremes {
    text: usize,
    number: u64,
}

impl Extremes {
    fn with(&mut self, other: &Extremes) {
        self.text = self.text.max(other.text);
        self.number = self.number.max(other.number);
    }
}

impl<'de> Deserialize<'de> for Extremes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Extremes, D::Error> {
        deserializer.deserialize_any(Extremes::default())
    }
}

impl<'de> Visitor<'de> for Extremes {
    type Value = Extremes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Extremes, E> {
        Ok(Extremes {
            text: text.len(),
            ..self
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Extremes, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Extremes, E> {
        Ok(Extremes { number, ..self })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Extremes, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Extremes, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Extremes, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<Extremes, A::Error> {
        while let Some(value) = values.next_element::<Extremes>()? {
            self.with(&value);
        }
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Extremes, A::Error> {
        while let Some((key, value)) = entries.next_entry::<Extremes, Extremes>()? {
            self.with(&key);
            self.with(&value);
        }
        Ok(self)
    }
}

/// Fails if the description exceeds a limit; of any other mistake the library speaks.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    let Ok(parts) = serde_json::from_slice::<Parts>(json) else {
        return Ok(());
    };
    // The library drops its tree of letters by recursion, as deep as the longest piece.
    if parts.model.text > TEXT {
        let length = parts.model.text;
        return Err(format!(
            "a piece of the vocabulary has {length} bytes, and {TEXT} are allowed"
        ));
    }
    let long = |token: &&Added| token.content.len() > TEXT;
    if let Some(token) = parts.added_tokens.iter().find(long) {
        let length = token.content.len();
        return Err(format!(
            "an added token has {length} bytes, and {TEXT} are allowed"
        ));
    }
    let added = parts.added_tokens.iter().map(|token| token.id);
    if let Some(id) = added.chain([parts.model.number]).find(|id| *id > ID) {
        return Err(format!("a token has the id {id}, and {ID} is the maximum"));
    }
    let sections = [
        ("normalizer", &parts.normalizer),
        ("pre_tokenizer", &parts.pre_tokenizer),
        ("decoder", &parts.decoder),
    ];
    for (name, section) in sections {
        let mut steps = 0;
        walk(name, section, &mut steps)?;
        if steps > STEPS {
            return Err(format!(
                "`{name}` has {steps} steps, and {STEPS} are allowed"
            ));
        }
    }
    Ok(())
}

fn walk(key: &str, value: &Value, steps: &mut usize) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let limit = if key == CHARSMAP.0 { CHARSMAP.1 } else { TEXT };
            match text.len() > limit {
                true => Err(format!(
                    "`{key}` has {} bytes, and {limit} are allowed",
                    text.len()
                )),
                false if key == CHARSMAP.0 => whole_charsmap(text),
                false => Ok(()),
            }
        }
        Value::Array(values) => values.iter().try_for_each(|value| walk(key, value, steps)),
        Value::Object(entries) => {
            *steps += usize::from(entries.contains_key("type"));
            entries
                .iter()
                .try_for_each(|(key, value)| walk(key, value, steps))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Fails if the table is shorter than it says: the library makes room for it before it reads it.
/// Its first four bytes are the size of the trie that follows.
fn whole_charsmap(text: &str) -> Result<(), String> {
    let head = text
        .get(..8)
        .and_then(|head| BASE64_STANDARD.decode(head).ok());
    let Some(&[a, b, c, d, ..]) = head.as_deref() else {
        return Ok(());
    };
    let (trie, bytes) = (
        u32::from_le_bytes([a, b, c, d]) as usize,
        text.len() / 4 * 3,
    );
    match trie > bytes {
        true => Err(format!(
            "`{}` has {bytes} bytes and says that its trie has {trie}",
            CHARSMAP.0
        )),
        false => Ok(()),
    }
}
