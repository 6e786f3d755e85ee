//! Limits for what a `tokenizer.json` may ask of the library that runs it.

use std::ffi::c_ulong;
use std::fmt;
use std::sync::Once;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Maximum length of the text of an added token and of any other text in the steps around the
/// model, in bytes: matching takes time that grows with the square of it. Published ones have less
/// than 1,000.
const TEXT: usize = 4096;
/// Maximum number of steps: each can double a text.
const STEPS: usize = 24;
/// The one long text, a table of characters that SentencePiece compiles, and its maximum length.
const CHARSMAP: (&str, usize) = ("precompiled_charsmap", 4 << 20);

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

/// A `tokenizer.json`, with the length of the longest text in its model.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    model: Longest,
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
}

/// The length of the longest text in a JSON value, keys included; nothing is kept of it, since
/// vocabularies are large.
#[derive(Default)]
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Longest, D::Error> {
        deserializer.deserialize_any(Longest(0))
    }
}

impl<'de> Visitor<'de> for Longest {
    type Value = Longest;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Longest, E> {
        Ok(Longest(text.len()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Longest, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Longest, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Longest, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Longest, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Longest, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<Longest, A::Error> {
        while let Some(value) = values.next_element::<Longest>()? {
            self.0 = self.0.max(value.0);
        }
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Longest, A::Error> {
        while let Some((key, value)) = entries.next_entry::<Longest, Longest>()? {
            self.0 = self.0.max(key.0).max(value.0);
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
    if parts.model.0 > TEXT {
        let length = parts.model.0;
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
