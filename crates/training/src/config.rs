//! What a fine-tuning run is told: one flat table of keys, each with a default.

mod check;
mod learning_rate;

use kernels::WeightFormat;
use models::WeightForm;
use serde::{Deserialize, Serialize};

pub use check::ConfigError;
pub use learning_rate::LearningRate;

/// Which parameters are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every parameter of the model.
    #[default]
    Full,
    /// Low-rank adapters beside frozen linear layers (Hu et al., 2021).
    Lora,
}

/// Over what the cross-entropy of an answer is averaged before the subset's weight applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Over the example's own answer tokens: every example of a subset counts the same.
    #[default]
    Example,
    /// Over all answer tokens of the subset: every answer token of a subset counts the same.
    Token,
}

/// What happens to an example that has more than `max_length` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExcessLength {
    /// The example is left out and counted; its subset keeps its share of the loss.
    #[default]
    Drop,
    /// The answer is cut at the end. The end-of-turn token goes with it, so the model is never
    /// taught that a cut answer is complete; an example whose prompt alone is too long is dropped.
    Truncate,
    /// The run stops with an error that names the example.
    Raise,
}

/// The number format of the factors of matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision: the reference.
    #[default]
    F32,
    /// bfloat16, summed in f32.
    Bf16,
    /// Bytes where a product is that of a frozen weight of a block, bfloat16 elsewhere: for
    /// adapters, at half the memory of bfloat16.
    Int8,
}

/// The number format of exported weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportPrecision {
    /// Single precision: exactly what was trained.
    #[default]
    F32,
    /// bfloat16: half the size.
    Bf16,
}

/// The `[train]` section of a config.
///
/// Everything here changes what is learnt or what is kept on disk, so a checkpoint records it and
/// only resumes under an equal one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// `full` or `lora`. Default `full`.
    pub method: Method,
    /// Rank of the adapters. Default 16.
    pub lora_rank: usize,
    /// The adapters' product is scaled by `lora_alpha / lora_rank`. Default 32.
    pub lora_alpha: f64,
    /// Probability with which an adapter's input is zeroed in training. Default 0.05.
    pub lora_dropout: f64,
    /// Names of the linear layers that get an adapter. Default: all of attention and MLP.
    pub lora_targets: Vec<String>,
    /// Also export the model with the adapters folded into its weights, beside the adapter in
    /// `model-merged/`. Default false.
    pub lora_merge: bool,
    /// Passes over the training set. Default 4 (section 4.1).
    pub epochs: usize,
    /// Peak learning rate: a number, or `auto`. Default `auto`.
    pub learning_rate: LearningRate,
    /// The schedule's floor as a fraction of the peak. Default 0.1.
    pub final_learning_rate: f64,
    /// Share of the optimiser steps over which the rate rises linearly. Default 0.05.
    pub warmup: f64,
    /// Decoupled weight decay of matrices; vectors (norms, biases) never decay. Default 0.0.
    pub weight_decay: f64,
    /// AdamW's decay of the first moment. Default 0.9.
    pub beta1: f64,
    /// AdamW's decay of the second moment. Default 0.999.
    pub beta2: f64,
    /// AdamW's ε. Default 1e-8.
    pub epsilon: f64,
    /// Gradients are scaled down to this L2 norm over all parameters; 0 leaves them. Default 1.0.
    pub max_grad_norm: f64,
    /// Examples per optimiser step. The loss does not depend on how they are split into micro
    /// batches. Default 16.
    pub examples_per_step: usize,
    /// Most tokens in one forward pass: bounds the memory of activations. A longer single example
    /// gets a pass of its own. Default 2048.
    pub tokens_per_batch: usize,
    /// Several examples share a forward pass, isolated by their segments. Default true; without
    /// it every example gets a pass of its own.
    pub packing: bool,
    /// What the prompts of a forward pass have in common at their beginning is computed once.
    /// Default true; never changes the loss.
    pub share_prompts: bool,
    /// Keep only the input of each block for the backward pass and compute the rest again: less
    /// memory, a third more work. Default false.
    pub recompute: bool,
    /// Most tokens in one example, prompt and answer together. Default 1024.
    pub max_length: usize,
    /// `drop`, `truncate` or `raise`. Default `drop`.
    pub excess_length: ExcessLength,
    /// `example` or `token`. Default `example`.
    pub reduction: Reduction,
    /// Factors of the matrix products, `f32`, `bf16` or, with `method = "lora"`, `int8`; what is
    /// trained, gradients and moments are always f32. Default `f32`.
    pub precision: Precision,
    /// Number format of the exported weights: `f32`, exactly what was trained, or `bf16` at half
    /// the size. Default `f32`.
    pub export_precision: ExportPrecision,
    /// Seed of the order of examples, of adapter initialisation and of dropout. Default 0.
    pub seed: u64,
    /// Optimiser steps between two evaluations of the held-out loss; 0 evaluates after every
    /// epoch. Default 0. The held-out loss is always known before the first and after the last step.
    pub evaluate_every: usize,
    /// Evaluations in a row without improvement after which training ends; 0 never ends it.
    /// Default 2.
    pub early_stopping_patience: usize,
    /// Improvement of the held-out loss that counts as one. Default 0.0.
    pub early_stopping_min_delta: f64,
    /// Optimiser steps between two checkpoints; 0 writes one with every evaluation. Default 0.
    pub checkpoint_every: usize,
    /// Checkpoints kept besides the best one. Default 1.
    pub keep_checkpoints: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        let targets = [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ];
        Self {
            method: Method::Full,
            lora_rank: 16,
            lora_alpha: 32.0,
            lora_dropout: 0.05,
            lora_targets: targets.map(String::from).to_vec(),
            lora_merge: false,
            epochs: 4,
            learning_rate: LearningRate::Auto,
            final_learning_rate: 0.1,
            warmup: 0.05,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            max_grad_norm: 1.0,
            examples_per_step: 16,
            tokens_per_batch: 2048,
            packing: true,
            share_prompts: true,
            recompute: false,
            max_length: 1024,
            excess_length: ExcessLength::Drop,
            reduction: Reduction::Example,
            precision: Precision::F32,
            export_precision: ExportPrecision::F32,
            seed: 0,
            evaluate_every: 0,
            early_stopping_patience: 2,
            early_stopping_min_delta: 0.0,
            checkpoint_every: 0,
            keep_checkpoints: 1,
        }
    }
}

impl TrainConfig {
    /// The form in which the model is best loaded: with adapters, weights that are not trained need
    /// not be in memory as parameters at all.
    pub fn weight_form(&self) -> WeightForm {
        match (self.method, self.precision) {
            // In f32 packing is little beside the products, and the packs twice the weights.
            (Method::Full, _) | (Method::Lora, Precision::F32) => WeightForm::Parameters,
            (Method::Lora, Precision::Bf16) => WeightForm::Frozen(WeightFormat::Bf16),
            (Method::Lora, Precision::Int8) => WeightForm::Frozen(WeightFormat::Int8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rate_is_a_number_or_auto() {
        let parse = |text: &str| toml::from_str::<TrainConfig>(text).map(|c| c.learning_rate);
        assert_eq!(parse("learning_rate = 2e-4"), Ok(LearningRate::Value(2e-4)));
        assert_eq!(parse("learning_rate = \"auto\""), Ok(LearningRate::Auto));
        assert!(parse("learning_rate = \"fast\"").is_err());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<TrainConfig>("epoch = 3")
            .unwrap_err()
            .to_string();
        assert!(error.contains("epoch"), "{error}");
    }

    #[test]
    fn a_config_survives_being_written_and_read() {
        let config = TrainConfig {
            learning_rate: LearningRate::Value(1e-3),
            ..Default::default()
        };
        assert_eq!(
            toml::from_str::<TrainConfig>(&toml::to_string(&config).unwrap()),
            Ok(config)
        );
    }

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
        assert!(
            error.contains("only frozen weights can be bytes"),
            "{error}"
        );
        assert_eq!(TrainConfig::default().validate(), Ok(()));
    }
}
