//! The config of answers from a chat server.

use corpus::seam::{Answerer, EngineError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OpenAiClient, OpenAiOptions};
use crate::choice::KeyError;
use crate::engine_config::AnswererConfig;
use crate::http::HttpOptions;
use crate::local_llm::check_sampling;
use crate::opening::Opening;

/// Rounds of requests between two commits of the answer stage, so that a slow answer does not delay
/// many others.
const REQUESTS_AT_ONCE: usize = 4;

/// A server with the OpenAI chat API that runs the same model: vLLM, SGLang, llama-server or a paid
/// service. The key is read from `OPENAI_API_KEY`, never from the config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OpenAiAnswerConfig {
    /// Maximum number of tokens of an answer. A longer answer is cut off and rejected.
    pub max_new_tokens: usize,
    /// System message, instead of the chat template's own.
    pub system: Option<String>,
    /// Sampling temperature; 0 takes the most probable token.
    pub temperature: f32,
    /// Sample from the smallest set of tokens with at least this total probability.
    pub top_p: f32,
    /// Address of the server, with or without `/v1`.
    #[schemars(extend("default-text" = "$OPENAI_BASE_URL"))]
    pub url: Option<String>,
    /// Name of the model at the server, which lists its models at `/v1/models`.
    #[schemars(extend("default-text" = "required"))]
    pub server_model: Option<String>,
    /// Maximum number of parallel requests.
    pub in_flight: usize,
    /// Time limit of a request.
    pub timeout_seconds: u64,
    /// Number of times a failed request is retried, with growing pauses or those that the server
    /// asks for (`Retry-After`).
    pub retries: usize,
}

impl Default for OpenAiAnswerConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            system: None,
            temperature: 0.0,
            top_p: 1.0,
            url: None,
            server_model: None,
            in_flight: 16,
            timeout_seconds: 600,
            retries: 5,
        }
    }
}

/// Fails if the server's model is not named.
pub(crate) fn check_server_model(name: Option<&str>) -> Result<(), KeyError> {
    let message = "name the model; the server lists its models at /v1/models";
    match name {
        Some(_) => Ok(()),
        None => Err(KeyError::new("server_model", message)),
    }
}

impl AnswererConfig for OpenAiAnswerConfig {
    fn check(&self) -> Result<(), KeyError> {
        check_sampling(self.temperature, self.top_p)?;
        check_server_model(self.server_model.as_deref())
    }

    fn check_files(&self, _: &Opening<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    fn questions_at_once(&self) -> usize {
        REQUESTS_AT_ONCE * self.in_flight
    }

    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Answerer>, EngineError> {
        let options = OpenAiOptions {
            model: self.server_model.clone().unwrap_or_default(),
            max_new_tokens: self.max_new_tokens,
            system_prompt: self.system.clone(),
            temperature: self.temperature,
            top_p: self.top_p,
            seed: opening.seed,
            http: HttpOptions::of(self.timeout_seconds, self.retries, self.in_flight),
        };
        Ok(Box::new(OpenAiClient::new(self.url.as_deref(), options)?))
    }
}
