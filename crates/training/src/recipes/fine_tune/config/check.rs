//! Checks the ranges of values.

use burn::tensor::Device;
use kernels::Precision;

use super::{Balance, Interpolate, LearningRate, Method, Together, TrainConfig};
use crate::recipes::ranges::{ConfigError, ModelRanges, Ranges};

/// Name of the section in error messages.
const SECTION: &str = "train";

impl TrainConfig {
    /// Checks every value's range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ranges = Ranges(SECTION);
        if self.max_steps == 0 {
            ranges.count("epochs", self.epochs)?;
        }
        let rate = match self.learning_rate {
            LearningRate::Auto | LearningRate::Rule(_) => 1.0,
            LearningRate::Value(rate) => rate,
        };
        // AdamW moves every weight by about the rate in each step, so 1 is far beyond any use.
        let expected =
            "\"auto\", the name of another rule, or a number above 0 and at most 1, e.g. 2e-4";
        let within = rate > 0.0 && rate <= 1.0;
        ranges.check("learning_rate", rate, within, expected)?;
        ranges.share("final_learning_rate", self.final_learning_rate)?;
        ranges.fraction("warmup", self.warmup)?;
        ranges.not_negative("weight_decay", self.weight_decay, "0 or more")?;
        ranges.fraction("beta1", self.beta1)?;
        ranges.fraction("beta2", self.beta2)?;
        ranges.positive("epsilon", self.epsilon)?;
        let expected = "0 (no clipping) or more";
        ranges.not_negative("max_grad_norm", self.max_grad_norm, expected)?;
        ranges.count("examples_per_step", self.examples_per_step)?;
        ranges.count("tokens_per_batch", self.tokens_per_batch)?;
        ranges.check(
            "max_length",
            self.max_length,
            self.max_length > 1,
            "at least 2",
        )?;
        ranges.share("distil_share", self.distil_share)?;
        ranges.count("distil_top_k", self.distil_top_k)?;
        if let Some(Interpolate::Share(share)) = self.interpolate {
            let within = (0.0..=1.0).contains(&share);
            ranges.check("interpolate", share, within, "\"auto\" or between 0 and 1")?;
        }
        let possible = self.balance == Balance::Weights || self.together == Together::None;
        let expected =
            "none with balance = \"sampling\", which draws the examples of a step subset by subset";
        ranges.check("together", "question", possible, expected)?;
        let min_delta = self.early_stopping_min_delta;
        ranges.not_negative("early_stopping_min_delta", min_delta, "0 or more")?;
        let minutes = self.checkpoint_minutes;
        ranges.not_negative("checkpoint_minutes", minutes, "0 (none) or more")?;
        let kept = self.keep_checkpoints;
        let expected = "at least 1, so that a killed run can resume";
        ranges.check("keep_checkpoints", kept, kept > 0, expected)?;
        let possible = self.method == Method::Lora || self.precision != Precision::Int8;
        let expected = "f32 or bf16 with method = \"full\": only frozen weights can be int8";
        ranges.check("precision", self.precision, possible, expected)?;
        ranges.rank("lora_rank", self.lora_rank)?;
        ranges.positive("lora_alpha", self.lora_alpha)?;
        ranges.fraction("lora_dropout", self.lora_dropout)
    }

    /// Checks what depends on the device: GPUs compute in f32 only.
    pub fn validate_on(&self, device: &Device) -> Result<(), ConfigError> {
        self.validate_precision(kernels::is_cpu(device))
    }

    fn validate_precision(&self, cpu: bool) -> Result<(), ConfigError> {
        Ranges(SECTION).precision_on(cpu, self.precision)
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
        for lora_alpha in [0.0, -16.0, f64::NAN] {
            let config = TrainConfig {
                lora_alpha,
                ..Default::default()
            };
            let error = config.validate().unwrap_err().to_string();
            let expected = format!("train.lora_alpha = {lora_alpha}: must be a number above 0");
            assert_eq!(error, expected);
        }
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
