//! Checks the ranges of values.

use burn::tensor::Device;
use kernels::Precision;

use super::{LearningRate, Method, TrainConfig};

/// Error returned for a value of [`TrainConfig`] that is out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("train.{key} = {value}: must be {expected}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// Its value as written.
    pub value: String,
    /// The accepted values.
    pub expected: &'static str,
}

impl TrainConfig {
    /// Checks every value's range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fraction =
            |key, x: f64| check(key, x, (0.0..1.0).contains(&x), "at least 0 and below 1");
        let count = |key, n: usize| check(key, n, n > 0, "at least 1");
        let not_negative =
            |key, x: f64, expected| check(key, x, x.is_finite() && x >= 0.0, expected);
        count("epochs", self.epochs)?;
        let rate = match self.learning_rate {
            LearningRate::Auto => 1.0,
            LearningRate::Value(rate) => rate,
        };
        let expected = "\"auto\" or a number above 0";
        check(
            "learning_rate",
            rate,
            rate.is_finite() && rate > 0.0,
            expected,
        )?;
        let floor = self.final_learning_rate;
        let within = (0.0..=1.0).contains(&floor);
        check("final_learning_rate", floor, within, "between 0 and 1")?;
        fraction("warmup", self.warmup)?;
        not_negative("weight_decay", self.weight_decay, "0 or more")?;
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        let epsilon = self.epsilon;
        check(
            "epsilon",
            epsilon,
            epsilon.is_finite() && epsilon > 0.0,
            "above 0",
        )?;
        let expected = "0 (no clipping) or more";
        not_negative("max_grad_norm", self.max_grad_norm, expected)?;
        count("examples_per_step", self.examples_per_step)?;
        count("tokens_per_batch", self.tokens_per_batch)?;
        check(
            "max_length",
            self.max_length,
            self.max_length > 1,
            "at least 2",
        )?;
        let min_delta = self.early_stopping_min_delta;
        not_negative("early_stopping_min_delta", min_delta, "0 or more")?;
        let kept = self.keep_checkpoints;
        let expected = "at least 1, so that a killed run can resume";
        check("keep_checkpoints", kept, kept > 0, expected)?;
        let possible = self.method == Method::Lora || self.precision != Precision::Int8;
        let expected = "f32 or bf16 with method = \"full\": only frozen weights can be int8";
        check("precision", self.precision, possible, expected)?;
        count("lora_rank", self.lora_rank)?;
        fraction("lora_dropout", self.lora_dropout)
    }

    /// Checks what depends on the device: GPUs compute in f32 only.
    pub fn validate_on(&self, device: &Device) -> Result<(), ConfigError> {
        self.validate_precision(kernels::is_cpu(device))
    }

    fn validate_precision(&self, cpu: bool) -> Result<(), ConfigError> {
        let possible = cpu || self.precision == Precision::F32;
        let expected = "f32 on a GPU, where no other format is supported; or set device = \"cpu\"";
        check("precision", self.precision, possible, expected)
    }
}

fn check(
    key: &'static str,
    value: impl ToString,
    valid: bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match valid {
        true => Ok(()),
        false => Err(ConfigError {
            key,
            value: value.to_string(),
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_range_is_named() {
        let config = TrainConfig {
            beta2: 1.0,
            ..Default::default()
        };
        let error = config.validate().unwrap_err().to_string();
        assert_eq!(error, "train.beta2 = 1: must be at least 0 and below 1");
        let config = TrainConfig {
            precision: Precision::Int8,
            ..Default::default()
        };
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("only frozen weights can be int8"), "{error}");
        assert_eq!(TrainConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_gpu_refuses_the_precisions_it_would_ignore() {
        let with = |precision| TrainConfig {
            precision,
            ..Default::default()
        };
        let bf16 = with(Precision::Bf16);
        let error = bf16.validate_precision(false).unwrap_err().to_string();
        assert!(
            error.contains("train.precision = bf16") && error.contains("GPU"),
            "{error}"
        );
        assert_eq!(with(Precision::F32).validate_precision(false), Ok(()));
        assert_eq!(bf16.validate_on(&Device::flex().autodiff()), Ok(()));
    }
}
