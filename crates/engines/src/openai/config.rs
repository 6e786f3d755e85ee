//! The config of answers from a chat server.

use std::sync::Arc;

use corpus::seam::EngineError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OpenAiClient, OpenAiOptions};
use crate::choice::KeyError;
use crate::engine_config::{AnswererConfig, Llm};
use crate::http::{HttpOptions, MAX_FAILED_SHARE, ServerUrl, check_share};
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
    pub url: Option<ServerUrl>,
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
    /// Maximum share of requests that may fail alone, e.g. refused by a content filter; each costs
    /// its row an answer. If more fail (and at least ten), the run stops.
    pub max_failed_share: f64,
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
            max_failed_share: MAX_FAILED_SHARE,
        }
    }
}

/// Fails if the server's model is not named.
pub(crate) fn check_server_model(name: Option<&str>) -> Result<(), KeyError> {
    let message = "name the model; the server lists its models at /v1/models";
    match name.is_some_and(|name| !name.trim().is_empty()) {
        true => Ok(()),
        false => Err(KeyError::new("server_model", message)),
    }
}

impl AnswererConfig for OpenAiAnswerConfig {
    fn check(&self) -> Result<(), KeyError> {
        check_sampling(self.temperature, self.top_p)?;
        check_server_model(self.server_model.as_deref())?;
        self.url.as_ref().map_or(Ok(()), ServerUrl::check)?;
        check_share(self.max_failed_share)
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

    fn max_new_tokens(&self) -> usize {
        self.max_new_tokens
    }

    fn scores_texts(&self) -> bool {
        false
    }

    fn open(&self, opening: &Opening<'_>, max_new_tokens: usize) -> Result<Llm, EngineError> {
        let options = OpenAiOptions {
            model: self.server_model.clone().unwrap_or_default(),
            max_new_tokens,
            system_prompt: self.system.clone(),
            temperature: self.temperature,
            top_p: self.top_p,
            seed: opening.seed,
            http: HttpOptions::of(
                self.timeout_seconds,
                self.retries,
                self.in_flight,
                self.max_failed_share,
            ),
        };
        let url = self.url.as_ref().map(ServerUrl::as_str);
        Ok(Llm {
            answerer: Arc::new(OpenAiClient::new(url, options)?),
            scorer: None,
        })
    }
}
