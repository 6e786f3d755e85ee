//! The `[train]` section of a config: one flat table of keys, each with a default.

mod check;
mod deciding;
mod interpolate;
mod learning_rate;
mod written_measure;

use kernels::Precision;
use models::WeightForm;
use models::export::StoredFormat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::recipes::ranges::ConfigError;
pub use interpolate::Interpolate;
pub use learning_rate::{LearningRate, Rule};
pub use written_measure::WrittenMeasure;

/// Which parameters are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every parameter of the model.
    #[default]
    Full,
    /// Low-rank adapters beside frozen linear layers (Hu et al., 2021).
    Lora,
}

/// What the cross-entropy of an answer is averaged over before the subset's weight applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Over the example's own answer tokens: every example of a subset counts the same.
    #[default]
    Example,
    /// Over all answer tokens of the subset: every answer token of a subset counts the same.
    Token,
}

/// Treatment of examples of more than `max_length` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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

/// How every subset gets the same share of training, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// By weights: an epoch has every example once, and an example of a small subset weighs more.
    #[default]
    Weights,
    /// By sampling: the examples of a step are drawn from each subset in turn, and all weigh the
    /// same. Small subsets are repeated, in another order each time; an epoch is as long as with
    /// weights.
    Sampling,
}

/// Examples that meet in an optimiser step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Together {
    /// Those that chance brings together.
    #[default]
    None,
    /// The examples of a question in all its forms (section 1: "within the same batch").
    Question,
}

/// The measure by which the checkpoint is chosen and early stopping decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChooseBy {
    /// The lowest held-out loss.
    #[default]
    Loss,
    /// The highest chrF++ of answers and translations into the target languages, against the
    /// held-out ones: a mean over at most 48.
    #[serde(rename = "chrf++")]
    Chrf,
    /// The fewest answers to target-language questions in another language, and of equals the lowest
    /// loss.
    OffTarget,
}

/// The `[train]` section of a config.
///
/// A checkpoint resumes only under the same settings, but for those that do not decide what is
/// learnt ([`TrainConfig::deciding`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Parameters that are trained.
    pub method: Method,
    /// Rank of the adapters.
    pub lora_rank: usize,
    /// The adapters' product is scaled by `lora_alpha / lora_rank`.
    pub lora_alpha: f64,
    /// Probability of zeroing an input of an adapter in training.
    pub lora_dropout: f64,
    /// Names of the linear layers that get an adapter.
    #[schemars(extend("default-text" = "all of the blocks"))]
    pub lora_targets: Vec<String>,
    /// Also export the model with the adapters merged into its weights, to `model-merged/` beside
    /// the adapter.
    pub lora_merge: bool,
    /// Passes over the training set; without effect if `max_steps` is given.
    pub epochs: usize,
    /// Number of optimiser steps, e.g. so that transfer sets of different sizes are compared at the
    /// same cost; 0 leaves it to `epochs`.
    pub max_steps: usize,
    /// Peak learning rate: a number, or a rule. `openchat` is 3e-4·√(supervised tokens per step /
    /// 4,000,000); `llama-factory` counts examples padded to `max_length`; `openchat-mistral` and
    /// `llama-factory-mistral` are a sixth of these. `auto` is `openchat` within 1e-5 to 1e-4; for
    /// LoRA, it is 2e-4·√(4,096 / width of the model) within 1e-4 to 1e-3.
    pub learning_rate: LearningRate,
    /// The schedule's floor as a fraction of the peak.
    pub final_learning_rate: f64,
    /// Share of the optimiser steps over which the rate rises linearly.
    pub warmup: f64,
    /// Decoupled weight decay of matrices; vectors (norms, biases) never decay.
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    pub beta1: f64,
    /// AdamW's decay of the second moment.
    pub beta2: f64,
    /// AdamW's ε.
    pub epsilon: f64,
    /// Gradients are scaled down to this L2 norm over all parameters; 0 leaves them.
    pub max_grad_norm: f64,
    /// Examples per optimiser step.
    pub examples_per_step: usize,
    /// Maximum number of tokens in one forward pass: bounds the memory of activations and does not
    /// change the loss. A longer example gets a pass of its own.
    pub tokens_per_batch: usize,
    /// Pack several examples into a forward pass, isolated from each other; if false, every example
    /// gets a pass of its own. Never changes the loss.
    pub packing: bool,
    /// Compute the common beginning of the prompts in a forward pass once. Never changes the loss.
    pub share_prompts: bool,
    /// Keep only the input of each block for the backward pass and recompute the rest: less memory,
    /// a third more work.
    pub recompute: bool,
    /// Maximum number of tokens in an example, prompt and answer together.
    pub max_length: usize,
    /// Treatment of longer examples.
    pub excess_length: ExcessLength,
    /// What the loss of an answer is averaged over before its subset's weight applies: the tokens of
    /// the `example`, or every `token` of the subset.
    pub reduction: Reduction,
    /// How every subset gets the same share of training.
    pub balance: Balance,
    /// Examples that meet in an optimiser step.
    pub together: Together,
    /// Share of the divergence from the teacher in the loss of a distilled example (`mix.distilled`);
    /// the rest is cross-entropy.
    #[schemars(extend("default-text" = "the method's"))]
    pub distil_share: f64,
    /// Number of most probable tokens whose probabilities are kept of a teacher's distribution; all
    /// others count as one.
    pub distil_top_k: usize,
    /// Share of the change by training that the exported model keeps: its weights are interpolated
    /// with those before training, or the adapter is scaled. `auto` chooses the share by the held-out
    /// losses in the source and the target languages. By default all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolate: Option<Interpolate>,
    /// System message before every question.
    #[schemars(extend("default-text" = "that of `[answer]`"))]
    pub system: Option<String>,
    /// Number format of the factors of matrix products on the CPU: `f32`, `bf16` or, with
    /// `method = "lora"`, `int8`. Trained weights, gradients and moments are always f32. GPUs compute
    /// in f32 and take nothing else.
    pub precision: Precision,
    /// Number format of the exported weights: `f32`, exactly as trained, or at half the size `bf16`
    /// or `f16`. Adapters are always exported in f32.
    pub export_precision: StoredFormat,
    /// Seed of the order of examples, of adapter initialisation and of dropout.
    #[schemars(extend("default-text" = "the run's"))]
    pub seed: u64,
    /// Optimiser steps between two evaluations of the held-out loss; 0 evaluates after every epoch.
    /// It is always evaluated before the first and after the last step.
    pub evaluate_every: usize,
    /// The measure by which the checkpoint is chosen and early stopping decides.
    pub choose_by: ChooseBy,
    /// What is measured beside the loss at every evaluation, and drawn in the report: `off-target`,
    /// the share of target-language questions that are answered in another language, as `[identify]`
    /// sees it; `chrf++` of answers and translations into the target languages. The model answers up
    /// to 48 held-out questions per language; 48 in all if `choose_by` is not `loss`. What it learns does not depend on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measure: Vec<WrittenMeasure>,
    /// Number of evaluations in a row without improvement that ends training; 0 never does.
    pub early_stopping_patience: usize,
    /// Minimum decrease of the held-out loss that counts as an improvement.
    pub early_stopping_min_delta: f64,
    /// Optimiser steps between two checkpoints; 0 writes one with every evaluation. A killed run
    /// resumes at the last one.
    pub checkpoint_every: usize,
    /// Minutes of training after which a checkpoint is written besides, so that a killed run loses
    /// no more than these; 0 writes none. The next regular checkpoint replaces it. Ctrl-C and
    /// SIGTERM write one, too.
    pub checkpoint_minutes: f64,
    /// Number of checkpoints kept besides the best one.
    pub keep_checkpoints: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            method: Method::Full,
            lora_rank: 16,
            lora_alpha: 32.0,
            lora_dropout: 0.05,
            lora_targets: Vec::new(),
            lora_merge: false,
            epochs: 4,
            max_steps: 0,
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
            balance: Balance::Weights,
            together: Together::None,
            distil_share: 0.5,
            distil_top_k: 16,
            interpolate: None,
            system: None,
            precision: Precision::F32,
            export_precision: StoredFormat::F32,
            seed: 0,
            evaluate_every: 0,
            choose_by: ChooseBy::Loss,
            measure: Vec::new(),
            early_stopping_patience: 2,
            early_stopping_min_delta: 0.0,
            checkpoint_every: 0,
            checkpoint_minutes: 5.0,
            keep_checkpoints: 1,
        }
    }
}

impl TrainConfig {
    /// The best form in which to load the model: with adapters, weights that are not trained do not
    /// have to be in memory as parameters.
    pub fn weight_form(&self) -> WeightForm {
        match (self.method, self.precision) {
            // In f32, packing takes little time compared with the products, and packed copies would
            // double the memory.
            (Method::Full, _) | (Method::Lora, Precision::F32) => WeightForm::Parameters,
            (Method::Lora, precision) => WeightForm::Frozen(precision),
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
}
