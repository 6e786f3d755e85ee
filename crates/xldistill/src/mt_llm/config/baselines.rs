//! `[baselines]`: what the stack is compared with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[baselines]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Baselines {
    /// The encoder alone with a head, trained on the same data: a stack that does not beat it has no
    /// point.
    pub encoder_alone: bool,
    /// The LLM with its head, on texts as they are.
    pub llm_zero_shot: bool,
    /// The LLM with its head, on texts that `[translate]` translated.
    pub translate_test: bool,
    /// The stack of stage 1 trained on the labels itself instead of by distillation.
    pub fine_tuned_stack: bool,
}

impl Default for Baselines {
    fn default() -> Self {
        Self {
            encoder_alone: true,
            llm_zero_shot: true,
            translate_test: false,
            fine_tuned_stack: false,
        }
    }
}
