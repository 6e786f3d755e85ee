//! `[answer]`: who answers the instructions.

use serde::{Deserialize, Serialize};

use super::WeightPrecision;

/// `[answer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Who answers.
    pub engine: AnswerEngine,
    /// Most tokens of an answer; a longer one is cut off and rejected.
    pub max_new_tokens: usize,
    /// How the model's weights are held.
    pub precision: WeightPrecision,
    /// Questions answered side by side.
    pub batch_size: usize,
    /// System message, instead of the chat template's own.
    pub system: Option<String>,
    /// Address of the server; `OPENAI_BASE_URL` where none is named.
    pub url: Option<String>,
    /// The model's name at the server.
    pub server_model: Option<String>,
    /// Most requests to the server at a time.
    pub in_flight: usize,
    /// Longest time of a request.
    pub timeout_seconds: u64,
    /// How often a failed request is tried again.
    pub retries: usize,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            engine: AnswerEngine::Local,
            max_new_tokens: 256,
            precision: WeightPrecision::Bf16,
            batch_size: 16,
            system: None,
            url: None,
            server_model: None,
            in_flight: 16,
            timeout_seconds: 600,
            retries: 5,
        }
    }
}

/// Who answers the instructions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerEngine {
    /// The run's model, on this machine.
    #[default]
    Local,
    /// A server that speaks the OpenAI chat API.
    #[serde(rename = "openai")]
    OpenAi,
}
