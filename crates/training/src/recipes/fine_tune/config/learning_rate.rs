//! The peak learning rate: a number, or found from the size of a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::automatic_learning_rate;

/// The peak learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "LearningRateKey", into = "LearningRateKey")]
#[schemars(with = "LearningRateKey")]
pub enum LearningRate {
    /// Scaled with the square root of the supervised tokens per optimiser step
    /// ([`automatic_learning_rate`]).
    #[default]
    Auto,
    /// As given.
    Value(f64),
}

/// How [`LearningRate`] is spelled in a config file: a number, or the word `auto`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum LearningRateKey {
    Value(f64),
    Auto(AutoKeyword),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AutoKeyword {
    Auto,
}

impl From<LearningRateKey> for LearningRate {
    fn from(key: LearningRateKey) -> Self {
        match key {
            LearningRateKey::Value(value) => LearningRate::Value(value),
            LearningRateKey::Auto(AutoKeyword::Auto) => LearningRate::Auto,
        }
    }
}

impl From<LearningRate> for LearningRateKey {
    fn from(rate: LearningRate) -> Self {
        match rate {
            LearningRate::Value(value) => LearningRateKey::Value(value),
            LearningRate::Auto => LearningRateKey::Auto(AutoKeyword::Auto),
        }
    }
}

impl LearningRate {
    /// The peak learning rate for steps of `supervised_tokens_per_step` answer tokens on average.
    pub fn peak(self, supervised_tokens_per_step: f64) -> f64 {
        match self {
            LearningRate::Auto => automatic_learning_rate(supervised_tokens_per_step),
            LearningRate::Value(value) => value,
        }
    }
}
