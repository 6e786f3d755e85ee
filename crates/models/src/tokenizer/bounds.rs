//! Limits for what a `tokenizer.json` may ask of the library that runs it.

use std::ffi::c_ulong;
use std::sync::Once;

use serde::Deserialize;
use serde_json::Value;

/// Maximum length of the text of an added token and of any other text in the steps around the
/// model, in bytes: matching takes time that grows with the square of it. Published ones have less
/// than 1,000.
const TEXT: usize = 4096;
/// Maximum number of steps: each can double a text.
const STEPS: usize = 24;
/// The one long text, a table of characters that SentencePiece compiles, and its maximum length.
const CHARSMAP: (&str, usize) = ("precompiled_charsmap", 4 << 20);

/// Maximum number of steps back of a regular expression in one search, a second or so. Oniguruma
/// has such a limit for the matches at one place of a text, but none for all its places together.
const STEPS_BACK: c_ulong = 50_000_000;

/// Ends searches of regular expressions that would take for ever; the crate `onig` then panics.
pub(super) fn limit_searches() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets a number, before this process has a tokenizer that could search with it.
        unsafe { onig_sys::onig_set_retry_limit_in_search(STEPS_BACK) };
    });
}

/// A `tokenizer.json` without its model.
#[derive(Deserialize)]
struct Parts {
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

/// Fails if the description exceeds a limit; of any other mistake the library speaks.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    let Ok(parts) = serde_json::from_slice::<Parts>(json) else {
        return Ok(());
    };
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
