//! The config of answers from the run's own model.

use std::sync::Arc;

use corpus::seam::{Answerer, EngineError};
use models::Precision;
use models::generation::Sampling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ENGINE, LocalLlm, LocalLlmOptions, failed};
use crate::choice::KeyError;
use crate::engine_config::{AnswererConfig, Llm};
use crate::model_ref::{ModelRef, existing};
use crate::opening::Opening;
use crate::template_ref;

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
    /// Sampling temperature; 0 takes the most probable token.
    pub temperature: f32,
    /// Sample from the smallest set of tokens with at least this total probability.
    pub top_p: f32,
}

impl Default for LocalAnswerConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            precision: Precision::Bf16,
            batch_size: 16,
            system: None,
            temperature: 0.0,
            top_p: 1.0,
        }
    }
}

/// Fails if there is no model to load.
pub(crate) fn require(model: Option<&ModelRef>) -> Result<&ModelRef, EngineError> {
    let model = model.ok_or_else(|| KeyError::new("model", "name the LLM"));
    existing(ENGINE, model)
}

/// Fails if the sampling of answers is out of range.
///
/// # Errors
/// The key, and the range of its values.
pub fn check_sampling(temperature: f32, top_p: f32) -> Result<(), KeyError> {
    if !(0.0..=100.0).contains(&temperature) {
        let message = format!(
            "{temperature} is not from 0 to 100; 0 is greedy, 1 leaves probabilities as they are"
        );
        return Err(KeyError::new("temperature", message));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(KeyError::new(
            "top_p",
            format!("{top_p} is not above 0 and at most 1"),
        ));
    }
    Ok(())
}

impl AnswererConfig for LocalAnswerConfig {
    fn check(&self) -> Result<(), KeyError> {
        check_sampling(self.temperature, self.top_p)
    }

    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError> {
        require(opening.model).map(drop)
    }

    fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    fn questions_at_once(&self) -> usize {
        BATCHES_AT_ONCE * self.batch_size
    }

    fn max_new_tokens(&self) -> usize {
        self.max_new_tokens
    }

    fn scores_texts(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening<'_>, max_new_tokens: usize) -> Result<Llm, EngineError> {
        let options = LocalLlmOptions {
            max_new_tokens,
            batch_size: self.batch_size,
            system_prompt: self.system.clone(),
            template: template_ref::text_of(opening.template).map_err(failed)?,
            sampling: match self.temperature > 0.0 {
                true => Sampling::Random {
                    temperature: self.temperature,
                    top_k: 0,
                    top_p: self.top_p,
                },
                false => Sampling::Greedy,
            },
            seed: opening.seed,
            weights: self.precision,
            device: opening.device,
        };
        let llm = Arc::new(LocalLlm::open(require(opening.model)?, options)?);
        Ok(Llm {
            answerer: Arc::clone(&llm) as Arc<dyn Answerer>,
            scorer: Some(llm),
        })
    }
}
