//! Values that make no sense.

use super::{LearningRate, Method, Precision, TrainConfig};

/// A value of [`TrainConfig`] that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("train.{key} = {value}: must be {expected}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// Its value as written.
    pub value: String,
    /// What would be accepted.
    pub expected: &'static str,
}

impl TrainConfig {
    /// Checks every value's range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let probability = |x: f64| (0.0..1.0).contains(&x);
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        let checks: [(&'static str, String, bool, &'static str); 18] = [
            (
                "epochs",
                self.epochs.to_string(),
                self.epochs > 0,
                "at least 1",
            ),
            (
                "learning_rate",
                format!("{:?}", self.learning_rate),
                !matches!(self.learning_rate, LearningRate::Value(x) if !positive(x)),
                "\"auto\" or a number above 0",
            ),
            (
                "final_learning_rate",
                self.final_learning_rate.to_string(),
                (0.0..=1.0).contains(&self.final_learning_rate),
                "between 0 and 1",
            ),
            (
                "warmup",
                self.warmup.to_string(),
                probability(self.warmup),
                "at least 0 and below 1",
            ),
            (
                "weight_decay",
                self.weight_decay.to_string(),
                not_negative(self.weight_decay),
                "0 or more",
            ),
            (
                "beta1",
                self.beta1.to_string(),
                probability(self.beta1),
                "at least 0 and below 1",
            ),
            (
                "beta2",
                self.beta2.to_string(),
                probability(self.beta2),
                "at least 0 and below 1",
            ),
            (
                "epsilon",
                self.epsilon.to_string(),
                positive(self.epsilon),
                "above 0",
            ),
            (
                "max_grad_norm",
                self.max_grad_norm.to_string(),
                not_negative(self.max_grad_norm),
                "0 (no clipping) or more",
            ),
            (
                "examples_per_step",
                self.examples_per_step.to_string(),
                self.examples_per_step > 0,
                "at least 1",
            ),
            (
                "tokens_per_batch",
                self.tokens_per_batch.to_string(),
                self.tokens_per_batch > 0,
                "at least 1",
            ),
            (
                "max_length",
                self.max_length.to_string(),
                self.max_length > 1,
                "at least 2",
            ),
            (
                "early_stopping_min_delta",
                self.early_stopping_min_delta.to_string(),
                not_negative(self.early_stopping_min_delta),
                "0 or more",
            ),
            (
                "keep_checkpoints",
                self.keep_checkpoints.to_string(),
                self.keep_checkpoints > 0,
                "at least 1, or a killed run could not go on",
            ),
            (
                "precision",
                "\"int8\"".to_string(),
                self.method == Method::Lora || self.precision != Precision::Int8,
                "\"f32\" or \"bf16\" with method = \"full\": only frozen weights can be bytes",
            ),
            (
                "lora_rank",
                self.lora_rank.to_string(),
                self.lora_rank > 0,
                "at least 1",
            ),
            (
                "lora_dropout",
                self.lora_dropout.to_string(),
                probability(self.lora_dropout),
                "at least 0 and below 1",
            ),
            (
                "lora_targets",
                format!("{:?}", self.lora_targets),
                self.method == Method::Full || !self.lora_targets.is_empty(),
                "at least one layer name",
            ),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            Some((key, value, _, expected)) => Err(ConfigError {
                key,
                value,
                expected,
            }),
            None => Ok(()),
        }
    }
}
