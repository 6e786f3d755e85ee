//! The config of answers from the run's own model.

use corpus::seam::{Answerer, EngineError};
use models::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ENGINE, LocalLlm, LocalLlmOptions};
use crate::choice::KeyError;
use crate::engine_config::AnswererConfig;
use crate::model_ref::{ModelRef, existing};
use crate::opening::Opening;

/// Batches of answers between two commits of the answer stage.
const BATCHES_AT_ONCE: usize = 2;

/// The run's `model`, on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LocalAnswerConfig {
    /// Maximum number of tokens of an answer. A longer answer is cut off and rejected.
    pub max_new_tokens: usize,
    /// Number format of the weights.
    pub precision: Precision,
    /// Number of questions answered in parallel.
    pub batch_size: usize,
    /// System message, instead of the chat template's own.
    pub system: Option<String>,
}

impl Default for LocalAnswerConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            precision: Precision::Bf16,
            batch_size: 16,
            system: None,
        }
    }
}

/// Fails if there is no model to load.
pub(crate) fn require(model: Option<&ModelRef>) -> Result<&ModelRef, EngineError> {
    let model = model.ok_or_else(|| KeyError::new("model", "name the LLM"));
    existing(ENGINE, model)
}

impl AnswererConfig for LocalAnswerConfig {
    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError> {
        require(opening.model).map(drop)
    }

    fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    fn questions_at_once(&self) -> usize {
        BATCHES_AT_ONCE * self.batch_size
    }

    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Answerer>, EngineError> {
        let options = LocalLlmOptions {
            max_new_tokens: self.max_new_tokens,
            batch_size: self.batch_size,
            system_prompt: self.system.clone(),
            seed: opening.seed,
            weights: self.precision,
            device: opening.device,
            ..LocalLlmOptions::default()
        };
        Ok(Box::new(LocalLlm::open(require(opening.model)?, options)?))
    }
}
