//! An LLM behind the OpenAI chat API (`/v1/chat/completions`): vLLM, SGLang, llama-server, Ollama,
//! or a paid service.

mod config;

use std::env;

use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Prompt, Request, Speaker, Turn,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{Failure, HttpOptions, JsonEndpoint, map_in_flight};

pub use config::OpenAiAnswerConfig;
pub(crate) use config::check_server_model;

const ENGINE: &str = "openai";

/// The default address of the API's own clients.
const DEFAULT_URL: &str = "https://api.openai.com/v1";

/// Settings of a chat server.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAiOptions {
    /// Name of the model at the server.
    pub model: String,
    /// Maximum number of tokens of an answer.
    pub max_new_tokens: usize,
    /// System message.
    pub system_prompt: Option<String>,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f32,
    /// Total probability of the tokens to sample from; 1 leaves it to the server.
    pub top_p: f32,
    /// Seed of random choices, for servers that support it.
    pub seed: u64,
    /// Settings of requests.
    pub http: HttpOptions,
}

impl Default for OpenAiOptions {
    /// Greedy answers of at most 256 tokens.
    fn default() -> Self {
        Self {
            model: String::new(),
            max_new_tokens: 256,
            system_prompt: None,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            http: HttpOptions::default(),
        }
    }
}

/// A chat server. Its key is read from `OPENAI_API_KEY` and sent to nobody else.
pub struct OpenAiClient {
    endpoint: JsonEndpoint,
    options: OpenAiOptions,
}

impl OpenAiClient {
    /// A server at `url`, with or without `/v1`; without one, at the address in `OPENAI_BASE_URL`.
    /// Sends nothing yet.
    pub fn new(url: Option<&str>, options: OpenAiOptions) -> Result<Self, EngineError> {
        let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let url = url.map(str::to_owned).or_else(|| set("OPENAI_BASE_URL"));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        Self::with_key(&url, set("OPENAI_API_KEY"), options)
    }

    /// A server at `url` with this key.
    pub fn with_key(
        url: &str,
        key: Option<String>,
        options: OpenAiOptions,
    ) -> Result<Self, EngineError> {
        let error = |message: String| EngineError::new(ENGINE, message);
        if options.model.is_empty() {
            return Err(error(
                "set server_model to the name of the model at the server".into(),
            ));
        }
        let key = key.map(|key| key.trim().to_owned());
        if key
            .as_ref()
            .is_some_and(|key| !key.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(error(
                "OPENAI_API_KEY contains white space or characters that no key has; set it again"
                    .into(),
            ));
        }
        let endpoint =
            JsonEndpoint::new(&completions(url), key, options.http.clone()).map_err(error)?;
        Ok(Self { endpoint, options })
    }

    fn ask(&self, request: &Request) -> Result<Answer, EngineError> {
        let mut body = json!({
            "model": self.options.model,
            "messages": self.messages(request)?,
            "max_tokens": request.max_new_tokens.unwrap_or(self.options.max_new_tokens),
            "temperature": self.options.temperature,
            "seed": self.options.seed,
        });
        if self.options.top_p < 1.0 {
            body["top_p"] = json!(self.options.top_p);
        }
        if !request.stop.is_empty() {
            body["stop"] = json!(request.stop);
        }
        match self.endpoint.post(&body) {
            Ok(answer) => self.read(answer).map(|mut answer| {
                // Not every server supports stop strings.
                if let Some(text) = request.before_stop(&answer.text) {
                    answer.text = text.trim().to_owned();
                    answer.finish_reason = FinishReason::Stop;
                }
                answer
            }),
            // A question that is too long leaves its row without an answer; the run goes on.
            Err(failure) if is_too_long(&failure) => Ok(Answer {
                text: String::new(),
                finish_reason: FinishReason::Length,
                tokens: 0,
            }),
            Err(failure) => Err(EngineError::new(ENGINE, failure.message)),
        }
    }

    /// The messages of the conversation, the system message first.
    fn messages(&self, request: &Request) -> Result<Vec<Value>, EngineError> {
        let Prompt::Chat(turns) = &request.prompt else {
            return Err(EngineError::new(
                ENGINE,
                "the chat API does not continue plain text; ask a question, or use a local model",
            ));
        };
        let system = self.options.system_prompt.as_ref();
        let system = system.map(|text| json!({ "role": "system", "content": text }));
        let turns = turns.iter().map(|Turn { speaker, text }| {
            let role = match speaker {
                Speaker::User => "user",
                Speaker::Assistant => "assistant",
            };
            json!({ "role": role, "content": text })
        });
        Ok(system.into_iter().chain(turns).collect())
    }

    fn read(&self, answer: Value) -> Result<Answer, EngineError> {
        let completion = Completion::deserialize(&answer).ok();
        let first = completion.and_then(|completion| {
            let tokens = completion.usage.map_or(0, |usage| usage.completion_tokens);
            Some((completion.choices.into_iter().next()?, tokens))
        });
        let Some((choice, tokens)) = first else {
            let mut answer = answer.to_string();
            if let Some((end, _)) = answer.char_indices().nth(200) {
                answer.truncate(end);
            }
            let url = self.endpoint.shown();
            return Err(EngineError::new(
                ENGINE,
                format!("{url} returned {answer}, without choices; is it a chat server?"),
            ));
        };
        Ok(Answer {
            text: choice.message.content.unwrap_or_default().trim().to_owned(),
            finish_reason: match choice.finish_reason.as_deref() {
                Some("length") => FinishReason::Length,
                Some("content_filter") => FinishReason::Filtered,
                _ => FinishReason::Stop,
            },
            tokens,
        })
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    completion_tokens: usize,
}

/// The address of the chat completions below `url`.
fn completions(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    if url.ends_with("/chat/completions") {
        return url.to_owned();
    }
    let has_path = url
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('/'));
    let version = if has_path { "" } else { "/v1" };
    format!("{url}{version}/chat/completions")
}

/// Whether a server refused a question as too long, in the words of OpenAI and vLLM
/// (`context_length_exceeded`, `maximum context length`) or llama-server
/// (`exceed_context_size_error`).
fn is_too_long(failure: &Failure) -> bool {
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

impl Answerer for OpenAiClient {
    fn identity(&self) -> EngineIdentity {
        let OpenAiOptions {
            model,
            max_new_tokens,
            system_prompt,
            temperature,
            top_p,
            seed,
            ..
        } = &self.options;
        let choice = match *temperature {
            0.0 => "greedy".to_owned(),
            temperature => match *top_p {
                1.0 => format!("temperature={temperature} seed={seed}"),
                top_p => format!("temperature={temperature} top_p={top_p} seed={seed}"),
            },
        };
        let system = match system_prompt {
            Some(prompt) => format!(" system={prompt:?}"),
            None => String::new(),
        };
        EngineIdentity {
            engine: ENGINE.into(),
            model: model.clone(),
            revision: String::new(),
            parameters: format!("{choice} max_new_tokens={max_new_tokens}{system}"),
            licence: None,
        }
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        // A request that the API does not support is refused before any is sent.
        for request in requests {
            self.messages(request)?;
        }
        map_in_flight(requests, self.options.http.in_flight, |request| {
            self.ask(request)
        })
    }
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
        ] {
            assert_eq!(completions(url), expected);
        }
    }
}
