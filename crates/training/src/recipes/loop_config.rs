//! The keys of the training loop, which every recipe but fine-tuning has as a table of its config,
//! such as `[adapt.training]`.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::tensor::Device;
use kernels::Precision;
use models::{LoraConfig, WeightForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::{ConfigError, ModelRanges, Ranges};
use crate::run::{Decay, Settings};

/// The default values of a recipe's [`LoopConfig`]. Implemented by a marker type of the recipe.
pub trait LoopDefaults: Debug + Clone + PartialEq + JsonSchema + 'static {
    /// The defaults, usually [`LoopConfig::base`] with other values for some keys.
    fn defaults() -> LoopConfig<Self>;
}

/// Keys of the training loop, with the defaults of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, bound = "")]
pub struct LoopConfig<D: LoopDefaults> {
    /// Passes over the training items; without effect if `max_steps` is given.
    pub epochs: usize,
    /// Number of optimiser steps; 0 leaves it to `epochs`.
    pub max_steps: usize,
    /// Items per optimiser step.
    pub items_per_step: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// The schedule's floor as a fraction of the peak.
    pub final_learning_rate: f64,
    /// Share of the optimiser steps over which the rate rises linearly.
    pub warmup: f64,
    /// How the rate falls after that: `linear` or `cosine`.
    pub decay: Decay,
    /// Decoupled weight decay of matrices; vectors (norms, biases) never decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this L2 norm over all parameters; 0 leaves them.
    pub max_grad_norm: f64,
    /// Maximum number of tokens in one forward pass: bounds the memory of activations and does not
    /// change the loss. A longer item gets a pass of its own.
    pub tokens_per_batch: usize,
    /// Number format of the factors of matrix products on the CPU: `f32`, `bf16` or `int8`. Trained
    /// weights, gradients and moments are always f32. GPUs compute in f32 and take nothing else.
    pub precision: Precision,
    /// Keep only the input of each block for the backward pass and recompute the rest: less memory,
    /// a third more work.
    pub recompute: bool,
    /// Rank of the adapters.
    pub lora_rank: usize,
    /// The adapters' product is scaled by `lora_alpha / lora_rank`.
    pub lora_alpha: f64,
    /// Probability of zeroing an input of an adapter in training.
    pub lora_dropout: f64,
    /// Names of the linear layers that get an adapter.
    #[schemars(extend("default-text" = "all of the blocks"))]
    pub lora_targets: Vec<String>,
    /// Seed of the order of items, of initialisation and of dropout.
    pub seed: u64,
    /// Optimiser steps between two evaluations on the held-out items; 0 evaluates after every epoch.
    /// They are always evaluated before the first and after the last step.
    pub evaluate_every: usize,
    /// Number of evaluations in a row without improvement that ends training; 0 never does.
    pub early_stopping_patience: usize,
    /// Optimiser steps between two checkpoints; 0 writes one with every evaluation. A killed run
    /// resumes at the last one.
    pub checkpoint_every: usize,
    /// Minutes of training after which a checkpoint is written besides, so that a killed run loses
    /// no more than these; 0 writes none. The next regular checkpoint replaces it. Ctrl-C and
    /// SIGTERM write one, too.
    pub checkpoint_minutes: f64,
    /// Number of checkpoints kept besides the best one.
    pub keep_checkpoints: usize,
    /// The recipe whose defaults apply; not a key. Public so that `..` fills in defaults anywhere.
    #[serde(skip)]
    pub recipe: PhantomData<fn() -> D>,
}

impl<D: LoopDefaults> Default for LoopConfig<D> {
    fn default() -> Self {
        D::defaults()
    }
}

impl<D: LoopDefaults> LoopConfig<D> {
    /// The values that most recipes share: one epoch of 32 items a step, 1e-4 with 10 % warm-up and
    /// a linear decay to 0, adapters of rank 16.
    pub fn base() -> Self {
        Self {
            epochs: 1,
            max_steps: 0,
            items_per_step: 32,
            learning_rate: 1e-4,
            final_learning_rate: 0.0,
            warmup: 0.1,
            decay: Decay::Linear,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            tokens_per_batch: 2048,
            precision: Precision::F32,
            recompute: false,
            lora_rank: 16,
            lora_alpha: 32.0,
            lora_dropout: 0.05,
            lora_targets: Vec::new(),
            seed: 0,
            evaluate_every: 0,
            early_stopping_patience: 0,
            checkpoint_every: 0,
            checkpoint_minutes: 5.0,
            keep_checkpoints: 1,
            recipe: PhantomData,
        }
    }

    /// Checks every value's range; errors name the key in `section`.
    pub fn validate(&self, section: &str) -> Result<(), ConfigError> {
        let ranges = Ranges(section);
        if self.max_steps == 0 {
            ranges.count("epochs", self.epochs)?;
        }
        ranges.count("items_per_step", self.items_per_step)?;
        ranges.positive("learning_rate", self.learning_rate)?;
        ranges.share("final_learning_rate", self.final_learning_rate)?;
        ranges.fraction("warmup", self.warmup)?;
        ranges.not_negative("weight_decay", self.weight_decay, "0 or more")?;
        let expected = "0 (no clipping) or more";
        ranges.not_negative("max_grad_norm", self.max_grad_norm, expected)?;
        ranges.count("tokens_per_batch", self.tokens_per_batch)?;
        ranges.rank("lora_rank", self.lora_rank)?;
        ranges.positive("lora_alpha", self.lora_alpha)?;
        ranges.fraction("lora_dropout", self.lora_dropout)?;
        let minutes = self.checkpoint_minutes;
        ranges.not_negative("checkpoint_minutes", minutes, "0 (none) or more")?;
        let kept = self.keep_checkpoints;
        let expected = "at least 1, so that a killed run can resume";
        ranges.check("keep_checkpoints", kept, kept > 0, expected)
    }

    /// Checks what depends on the device: GPUs compute in f32 only.
    pub fn validate_on(&self, section: &str, device: &Device) -> Result<(), ConfigError> {
        Ranges(section).precision_on(kernels::is_cpu(device), self.precision)
    }

    /// The settings of the loop.
    pub fn settings(&self) -> Settings {
        Settings {
            epochs: self.epochs,
            max_steps: (self.max_steps > 0).then_some(self.max_steps),
            items_per_step: self.items_per_step,
            tokens_per_batch: Some(self.tokens_per_batch),
            seed: self.seed,
            peak_learning_rate: self.learning_rate,
            final_learning_rate: self.final_learning_rate,
            warmup: self.warmup,
            decay: self.decay,
            rate_factors: Vec::new(),
            weight_decay: self.weight_decay,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            max_grad_norm: self.max_grad_norm,
            evaluate_every: self.evaluate_every,
            early_stopping_patience: self.early_stopping_patience,
            early_stopping_min_delta: 0.0,
            checkpoint_every: self.checkpoint_every,
            checkpoint_minutes: self.checkpoint_minutes,
            keep_checkpoints: self.keep_checkpoints,
        }
    }

    /// The adapters that are trained.
    pub fn lora(&self) -> LoraConfig {
        LoraConfig {
            r: self.lora_rank,
            lora_alpha: self.lora_alpha,
            lora_dropout: self.lora_dropout,
            target_modules: self.lora_targets.clone(),
            use_rslora: false,
        }
    }

    /// The best form in which to load the network that gets the adapters. In f32, packed copies of
    /// frozen weights would take much memory and save little time.
    pub fn weight_form(&self) -> WeightForm {
        match self.precision {
            Precision::F32 => WeightForm::Parameters,
            precision => WeightForm::Frozen(precision),
        }
    }

    /// The settings that determine what is learnt; all others have their defaults. They belong in
    /// the provenance of a run, so that it can resume with less memory or with more checkpoints.
    pub fn deciding(&self) -> Self {
        let any = Self::default();
        Self {
            tokens_per_batch: any.tokens_per_batch,
            recompute: any.recompute,
            checkpoint_every: any.checkpoint_every,
            checkpoint_minutes: any.checkpoint_minutes,
            keep_checkpoints: any.keep_checkpoints,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, JsonSchema)]
    struct Slow;

    impl LoopDefaults for Slow {
        fn defaults() -> LoopConfig<Self> {
            LoopConfig {
                learning_rate: 1e-6,
                ..LoopConfig::base()
            }
        }
    }

    fn parse(text: &str) -> Result<LoopConfig<Slow>, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn an_absent_key_has_the_default_of_the_recipe() {
        let config = parse("epochs = 3").unwrap();
        assert_eq!((config.epochs, config.learning_rate), (3, 1e-6));
        assert!(
            parse("epoch = 3")
                .unwrap_err()
                .to_string()
                .contains("epoch")
        );
        let written = toml::to_string(&config).unwrap();
        assert_eq!(parse(&written).unwrap(), config);
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_section() {
        let config = parse("warmup = 1.5").unwrap();
        let error = config.validate("adapt.training").unwrap_err().to_string();
        let expected = "adapt.training.warmup = 1.5: must be at least 0 and below 1";
        assert_eq!(error, expected);
        assert_eq!(Slow::defaults().validate("adapt.training"), Ok(()));
        let steps = parse("epochs = 0\nmax_steps = 7").unwrap();
        assert_eq!(steps.validate("adapt.training"), Ok(()));
        assert_eq!(steps.settings().total_steps(100), 7);
    }

    #[test]
    fn memory_and_disk_do_not_decide_what_is_learnt() {
        let lean = parse("tokens_per_batch = 64\nrecompute = true\nkeep_checkpoints = 4").unwrap();
        assert_eq!(lean.deciding(), Slow::defaults().deciding());
        assert_ne!(parse("seed = 1").unwrap().deciding(), lean.deciding());
    }
}
