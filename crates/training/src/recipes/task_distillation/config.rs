//! `[distill]`: how a stack learns a task from the LLM that was trained on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipes::loop_config::{LoopConfig, LoopDefaults};
use crate::recipes::ranges::ConfigError;
use crate::recipes::task_loop::ChooseBy;

/// How a stack learns tasks from the LLM that was trained on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DistillationConfig {
    /// Train the projection, too. In the paper's code only adapters are trained.
    pub train_projection: bool,
    /// What the checkpoint is chosen by: the highest `accuracy` (of the teacher's head on the
    /// student's states) or the lowest `loss` on the validation rows.
    pub choose_by: ChooseBy,
    /// Keep the frozen encoder's states of all rows on disk if they are read more than once.
    pub keep_encoder_states: bool,
    /// The training loop.
    pub training: LoopConfig<DistillationLoop>,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        Self {
            train_projection: false,
            choose_by: ChooseBy::default(),
            keep_encoder_states: true,
            training: LoopConfig::default(),
        }
    }
}

/// Defaults of the loop: those of MT-LLM's code for NLI.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct DistillationLoop;

impl LoopDefaults for DistillationLoop {
    fn defaults() -> LoopConfig<Self> {
        LoopConfig {
            epochs: 3,
            max_grad_norm: 0.0,
            ..LoopConfig::base()
        }
    }
}

impl DistillationConfig {
    /// Checks every value's range; errors name the key in `section`.
    pub fn validate(&self, section: &str) -> Result<(), ConfigError> {
        self.training.validate(&format!("{section}.training"))
    }

    /// The settings that determine what is learnt.
    pub fn deciding(&self) -> Self {
        Self {
            keep_encoder_states: true,
            training: self.training.deciding(),
            ..self.clone()
        }
    }
}
