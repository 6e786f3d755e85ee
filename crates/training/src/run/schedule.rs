//! The learning rate of every optimiser step: linear warm-up, then decay to a floor.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Peak rate and tokens per step of the pre-training run that the automatic rate scales from.
const REFERENCE_RATE: f64 = 3e-4;
const REFERENCE_TOKENS: f64 = 4_000_000.0;

/// The "automatically calculated learning rate" of section 4.1, after OpenChat (Wang et al.,
/// 2023): LLaMA's pre-training rate scaled with the square root of the batch size in tokens.
///
/// `supervised_tokens_per_step` counts the tokens that enter the loss of one optimiser step.
pub fn automatic_learning_rate(supervised_tokens_per_step: f64) -> f64 {
    REFERENCE_RATE * (supervised_tokens_per_step / REFERENCE_TOKENS).sqrt()
}

/// How the learning rate falls from its peak to its floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Along half a cosine wave.
    #[default]
    Cosine,
    /// In a straight line.
    Linear,
}

impl Decay {
    /// The share of the fall that is left after the fraction `progress` of it.
    fn left(self, progress: f64) -> f64 {
        match self {
            Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
            Decay::Linear => 1.0 - progress,
        }
    }
}

/// Linear warm-up followed by a decay to a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    peak: f64,
    floor: f64,
    warmup_steps: usize,
    total_steps: usize,
    decay: Decay,
}

impl Schedule {
    /// A cosine schedule over `total_steps` optimiser steps.
    ///
    /// The first `warmup` (a fraction) of them rise linearly to `peak`; the last step takes
    /// `floor · peak`.
    pub fn new(peak: f64, floor: f64, warmup: f64, total_steps: usize) -> Self {
        let warmup_steps = (warmup * total_steps as f64).ceil() as usize;
        Self {
            peak,
            floor: floor * peak,
            warmup_steps,
            total_steps,
            decay: Decay::Cosine,
        }
    }

    /// The same schedule with another decay.
    pub fn decaying(self, decay: Decay) -> Self {
        Self { decay, ..self }
    }

    /// The rate of optimiser step `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let decay_steps = self
            .total_steps
            .saturating_sub(self.warmup_steps + 1)
            .max(1);
        let progress = ((step - self.warmup_steps) as f64 / decay_steps as f64).min(1.0);
        self.floor + (self.peak - self.floor) * self.decay.left(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_the_floor() {
        let schedule = Schedule::new(1.0, 0.1, 0.05, 100);
        let rates: Vec<f64> = (0..100).map(|step| schedule.rate(step)).collect();
        assert!((rates[0] - 0.2).abs() < 1e-12);
        assert!((rates[4] - 1.0).abs() < 1e-12 && (rates[5] - 1.0).abs() < 1e-12);
        assert!(rates[5..].windows(2).all(|pair| pair[1] < pair[0]));
        assert!((rates[99] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_linear_decay_falls_by_the_same_amount_every_step() {
        let schedule = Schedule::new(1.0, 0.0, 0.1, 100).decaying(Decay::Linear);
        let rates: Vec<f64> = (10..100).map(|step| schedule.rate(step)).collect();
        assert!((rates[0] - 1.0).abs() < 1e-12 && rates[89].abs() < 1e-12);
        assert!(
            rates
                .windows(2)
                .all(|pair| (pair[0] - pair[1] - 1.0 / 89.0).abs() < 1e-12)
        );
    }

    #[test]
    fn a_single_step_trains_at_the_peak() {
        assert_eq!(Schedule::new(3.0, 0.1, 0.05, 1).rate(0), 3.0);
        assert_eq!(Schedule::new(3.0, 0.1, 0.0, 1).rate(0), 3.0);
    }

    #[test]
    fn the_automatic_rate_is_the_reference_rate_at_the_reference_batch() {
        assert_eq!(automatic_learning_rate(4e6), 3e-4);
        assert!((automatic_learning_rate(4e4) - 3e-5).abs() < 1e-18);
    }
}
