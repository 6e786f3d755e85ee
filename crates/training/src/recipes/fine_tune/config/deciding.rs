//! Separates the settings that determine the result from the rest.

use super::{Method, TrainConfig};
use crate::run::{Decay, Settings};

impl TrainConfig {
    /// The settings that determine what is learnt; all others have their defaults.
    ///
    /// Settings that only decide how the same result is computed or stored are left out, so that a
    /// run can resume with less memory or disk, and a model can be exported again in another
    /// format:
    /// - The split of a step into forward passes, and what these share or recompute. By
    ///   construction, the objective is the same sum in another order, equal up to rounding. Only
    ///   the masks of `lora_dropout` are drawn per pass, so another split draws other masks of the
    ///   same distribution.
    /// - When checkpoints are written (the one with the lowest held-out loss always is) and how
    ///   many are kept.
    /// - The format of the exported model, and how much of the change it keeps.
    /// - What is measured besides, unless the checkpoint is chosen by it.
    /// - The settings of the adapters if there are none.
    pub fn deciding(&self) -> TrainConfig {
        let any = TrainConfig::default();
        let deciding = TrainConfig {
            tokens_per_batch: any.tokens_per_batch,
            packing: any.packing,
            share_prompts: any.share_prompts,
            recompute: any.recompute,
            checkpoint_every: any.checkpoint_every,
            checkpoint_minutes: any.checkpoint_minutes,
            keep_checkpoints: any.keep_checkpoints,
            export_precision: any.export_precision,
            lora_merge: any.lora_merge,
            interpolate: any.interpolate,
            measure: any.measure,
            ..self.clone()
        };
        match self.method {
            Method::Lora => deciding,
            Method::Full => TrainConfig {
                lora_rank: any.lora_rank,
                lora_alpha: any.lora_alpha,
                lora_dropout: any.lora_dropout,
                lora_targets: any.lora_targets,
                ..deciding
            },
        }
    }

    /// The settings of the loop for a given peak learning rate.
    pub fn settings(&self, peak_learning_rate: f64) -> Settings {
        Settings {
            epochs: self.epochs,
            max_steps: (self.max_steps > 0).then_some(self.max_steps),
            items_per_step: self.examples_per_step,
            tokens_per_batch: self.packing.then_some(self.tokens_per_batch),
            seed: self.seed,
            peak_learning_rate,
            final_learning_rate: self.final_learning_rate,
            warmup: self.warmup,
            decay: Decay::Cosine,
            rate_factors: Vec::new(),
            weight_decay: self.weight_decay,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            max_grad_norm: self.max_grad_norm,
            evaluate_every: self.evaluate_every,
            early_stopping_patience: self.early_stopping_patience,
            early_stopping_min_delta: self.early_stopping_min_delta,
            checkpoint_every: self.checkpoint_every,
            checkpoint_minutes: self.checkpoint_minutes,
            keep_checkpoints: self.keep_checkpoints,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::WrittenMeasure;
    use super::*;

    #[test]
    fn memory_disk_and_export_do_not_decide_what_is_learnt() {
        let config = TrainConfig::default();
        let other = TrainConfig {
            tokens_per_batch: 64,
            packing: false,
            share_prompts: false,
            recompute: true,
            checkpoint_every: 7,
            checkpoint_minutes: 0.5,
            keep_checkpoints: 3,
            export_precision: models::export::StoredFormat::BF16,
            lora_merge: true,
            interpolate: Some(crate::fine_tune::Interpolate::Auto),
            measure: vec![WrittenMeasure::OffTarget, WrittenMeasure::Chrf],
            lora_rank: 64,
            ..config.clone()
        };
        assert_eq!(config.deciding(), other.deciding());
        let written = serde_json::to_value(config.deciding()).unwrap();
        assert_eq!(written.get("measure"), None, "keys are as before the key");
        let lora = |lora_rank| TrainConfig {
            method: Method::Lora,
            lora_rank,
            ..config.clone()
        };
        assert_ne!(lora(8).deciding(), lora(16).deciding());
        let seeded = TrainConfig {
            seed: 1,
            ..config.clone()
        };
        assert_ne!(config.deciding(), seeded.deciding());
    }

    #[test]
    fn max_steps_replace_the_epochs() {
        let total = |max_steps| {
            let config = TrainConfig {
                epochs: 3,
                max_steps,
                ..Default::default()
            };
            config.settings(1e-4).total_steps(10)
        };
        assert_eq!([total(0), total(7), total(45)], [30, 7, 45]);
    }
}
