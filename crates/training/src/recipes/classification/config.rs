//! `[classify]`: how heads are trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipes::headed::TrainedPart;
use crate::recipes::loop_config::{LoopConfig, LoopDefaults};
use crate::recipes::ranges::ConfigError;
use crate::recipes::task_loop::ChooseBy;

/// How heads are trained, alone or with the network below them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassificationConfig {
    /// What is trained besides the heads: `lora`, adapters of the LLM or encoder; `full`, every
    /// parameter of an LLM; `head`, nothing.
    pub method: TrainedPart,
    /// Train the projection of a stack, too.
    pub train_projection: bool,
    /// What the checkpoint is chosen by: the highest `accuracy` or the lowest `loss` on the
    /// validation rows.
    pub choose_by: ChooseBy,
    /// Keep the states of a stack's frozen encoder on disk if rows are read more than once.
    pub keep_encoder_states: bool,
    /// The training loop.
    pub training: LoopConfig<ClassificationLoop>,
}

impl Default for ClassificationConfig {
    fn default() -> Self {
        Self {
            method: TrainedPart::default(),
            train_projection: false,
            choose_by: ChooseBy::default(),
            keep_encoder_states: true,
            training: LoopConfig::default(),
        }
    }
}

/// Defaults of the loop: those of MT-LLM's code for NLI.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct ClassificationLoop;

impl LoopDefaults for ClassificationLoop {
    fn defaults() -> LoopConfig<Self> {
        LoopConfig {
            epochs: 3,
            max_grad_norm: 0.0,
            ..LoopConfig::base()
        }
    }
}

impl ClassificationConfig {
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
