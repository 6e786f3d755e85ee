//! What servers with the chat API differ in: addresses, names of keys, forms of answers, words of
//! refusals.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::http::{Failure, JsonEndpoint};

/// Maximum number of bytes of a token in an answer, escapes of JSON included.
const BYTES_PER_TOKEN: usize = 256;

/// The keys that a server was found to take.
#[derive(Debug, Default)]
pub struct Dialect {
    /// Whether the server wants `max_completion_tokens` instead of `max_tokens`, as OpenAI does for
    /// its reasoning models.
    new_budget_key: AtomicBool,
    /// Whether the server refuses stop texts; answers are cut at them here, too.
    no_stop: AtomicBool,
}

impl Dialect {
    /// Sends a request with the keys that this server takes. `budget` is the maximum number of tokens.
    pub fn post(
        &self,
        endpoint: &JsonEndpoint,
        mut body: Value,
        budget: usize,
    ) -> Result<Value, Failure> {
        let [old, new] = ["max_tokens", "max_completion_tokens"];
        loop {
            let is_new = self.new_budget_key.load(Ordering::Relaxed);
            let fields = body.as_object_mut().expect("an object");
            fields.remove(old);
            fields.insert(if is_new { new } else { old }.to_owned(), json!(budget));
            if self.no_stop.load(Ordering::Relaxed) {
                fields.remove("stop");
            }
            let stops = fields.contains_key("stop");
            let expected = budget.saturating_mul(BYTES_PER_TOKEN);
            let refuses = |failure: &Failure, names: &[&str]| {
                let named = names.iter().any(|name| failure.body.contains(name));
                failure.status == Some(400) && named
            };
            match endpoint.post(&body, expected) {
                Err(failure) if !is_new && refuses(&failure, &[new]) => {
                    self.new_budget_key.store(true, Ordering::Relaxed);
                }
                Err(failure) if stops && refuses(&failure, &["'stop'", "\"stop\""]) => {
                    self.no_stop.store(true, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }
}

/// The text of a message: a string, or a list of parts, of which those with text count. `None` if
/// it is neither.
pub fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let text = |part: &Value| match part["type"].as_str() {
                Some("text" | "output_text") => part["text"].as_str().map(str::to_owned),
                _ => part.as_str().map(str::to_owned),
            };
            Some(parts.iter().filter_map(text).collect())
        }
        _ => None,
    }
}

/// The address of the chat completions below `url`, with its query.
pub fn completions(url: &str) -> String {
    let (url, query) = match url.trim().split_once('?') {
        Some((url, query)) => (url, format!("?{query}")),
        None => (url.trim(), String::new()),
    };
    let url = url.trim_end_matches('/');
    if url.ends_with("/chat/completions") {
        return format!("{url}{query}");
    }
    let has_path = url
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('/'));
    let version = if has_path { "" } else { "/v1" };
    format!("{url}{version}/chat/completions{query}")
}

/// Whether a server refused a question as too long, in the words of OpenAI and vLLM
/// (`context_length_exceeded`, `maximum context length`) or llama-server
/// (`exceed_context_size_error`).
pub fn is_too_long(failure: &Failure) -> bool {
    failure.status == Some(400)
        && [
            "context_length",
            "context length",
            "context_size",
            "context size",
        ]
        .iter()
        .any(|words| failure.body.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_added_where_the_address_has_no_path() {
        for (url, expected) in [
            (
                "http://localhost:8000",
                "http://localhost:8000/v1/chat/completions",
            ),
            (
                "http://localhost:8000/",
                "http://localhost:8000/v1/chat/completions",
            ),
            (
                "http://localhost:8000/v1",
                "http://localhost:8000/v1/chat/completions",
            ),
            (
                "https://host/openai/v1/",
                "https://host/openai/v1/chat/completions",
            ),
            (
                "http://h/v1/chat/completions",
                "http://h/v1/chat/completions",
            ),
            (
                "https://h/deployments/d?api-version=2024",
                "https://h/deployments/d/chat/completions?api-version=2024",
            ),
        ] {
            assert_eq!(completions(url), expected);
        }
    }
}
