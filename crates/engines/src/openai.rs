//! An LLM behind the OpenAI chat API (`/v1/chat/completions`): vLLM, SGLang, llama-server, Ollama,
//! or a paid service.

mod config;
mod dialect;

use std::env;

use corpus::answer::reasoning::without_reasoning;
use corpus::seam::{
    Answer, Answerer, Attempts, EngineError, EngineIdentity, FinishReason, Prompt, Request,
    Speaker, Turn,
};
use serde_json::{Value, json};

use crate::http::{Failure, HttpOptions, JsonEndpoint, map_in_flight};

use dialect::{Dialect, completions, is_too_long, text};

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
    dialect: Dialect,
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
        Ok(Self {
            endpoint,
            options,
            dialect: Dialect::default(),
        })
    }

    /// The answer to one request; in its place, the failure of this request alone.
    fn ask(&self, request: &Request) -> Result<Result<Answer, String>, EngineError> {
        let failure = match self.attempt_once(request) {
            Ok(answer) => {
                self.endpoint.tolerance.succeeded();
                return Ok(Ok(answer));
            }
            // A question that is too long leaves its row without an answer; the run goes on.
            Err(failure) if is_too_long(&failure) => {
                return Ok(Ok(Answer {
                    text: String::new(),
                    finish_reason: FinishReason::Length,
                    tokens: 0,
                }));
            }
            Err(failure) => failure,
        };
        let error = |message| EngineError::new(ENGINE, message);
        if !failure.alone {
            return Err(error(failure.message));
        }
        self.endpoint
            .tolerance
            .failed(&failure.message)
            .map_err(error)?;
        Ok(Err(failure.message))
    }

    fn attempt_once(&self, request: &Request) -> Result<Answer, Failure> {
        let budget = request
            .max_new_tokens
            .unwrap_or(self.options.max_new_tokens);
        let messages = self.messages(request);
        let messages = messages.map_err(|error| Failure::alone(error.message, false))?;
        let mut body = json!({
            "model": self.options.model,
            "messages": messages,
            "temperature": self.options.temperature,
            "seed": self.options.seed,
        });
        if self.options.top_p < 1.0 {
            body["top_p"] = json!(self.options.top_p);
        }
        if !request.stop.is_empty() {
            body["stop"] = json!(request.stop);
        }
        let answer = self.dialect.post(&self.endpoint, body, budget)?;
        let mut answer = self.read(&answer)?;
        // Not every server supports stop strings.
        if let Some(text) = request.before_stop(&answer.text) {
            answer.text = text.trim().to_owned();
            answer.finish_reason = FinishReason::Stop;
        }
        Ok(answer)
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

    /// The answer in what the server sent.
    fn read(&self, answer: &Value) -> Result<Answer, Failure> {
        let choice = &answer["choices"][0];
        let text = text(&choice["message"]["content"]);
        let (Some(text), true) = (text, choice["message"].is_object()) else {
            let (url, answer) = (
                self.endpoint.shown(),
                self.endpoint.quoted(&answer.to_string()),
            );
            return Err(Failure::alone(
                format!("{url} returned {answer}, without choices; is it a chat server?"),
                false,
            ));
        };
        let tokens = &answer["usage"]["completion_tokens"];
        Ok(Answer {
            text: self.endpoint.without_key(without_reasoning(&text).trim()),
            finish_reason: match choice["finish_reason"].as_str() {
                Some("length") => FinishReason::Length,
                Some("content_filter") => FinishReason::Filtered,
                _ => FinishReason::Stop,
            },
            // Servers are known to send null and 7.0.
            tokens: tokens.as_f64().map_or(0, |tokens| tokens as usize),
        })
    }
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

    /// If some requests fail, their answers are empty; if all do, it is an error.
    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let Attempts { results, stopped } = self.attempt(requests);
        if let Some(error) = stopped {
            return Err(error);
        }
        let results: Vec<_> = results.into_iter().flatten().collect();
        match results.first() {
            Some(Err(message)) if results.iter().all(Result::is_err) => {
                Err(EngineError::new(ENGINE, message))
            }
            _ => Ok(results
                .into_iter()
                .map(|result| {
                    result.unwrap_or_else(|_| Answer {
                        text: String::new(),
                        finish_reason: FinishReason::Failed,
                        tokens: 0,
                    })
                })
                .collect()),
        }
    }

    fn attempt(&self, requests: &[Request]) -> Attempts {
        // A request that the API does not support is refused before any is sent.
        if let Some(error) = requests
            .iter()
            .find_map(|request| self.messages(request).err())
        {
            return Attempts {
                results: requests.iter().map(|_| None).collect(),
                stopped: Some(error),
            };
        }
        let (mut results, stopped) =
            map_in_flight(requests, self.options.http.in_flight, |request| {
                self.ask(request)
            });
        if stopped.is_some() {
            // The server or the config is at fault, perhaps for these failures, too.
            for result in &mut results {
                result.take_if(|result| result.is_err());
            }
        }
        Attempts { results, stopped }
    }
}
