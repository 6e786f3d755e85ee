//! Settings of the loop that do not depend on the recipe.

use super::schedule::Decay;

/// Settings of a run. Recipes derive them from their configs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Passes over the training items, unless `max_steps` is given.
    pub epochs: usize,
    /// Number of optimiser steps, whatever share of the items or number of passes that is.
    pub max_steps: Option<usize>,
    /// Items per optimiser step.
    pub items_per_step: usize,
    /// Maximum number of tokens in one forward pass; `None` gives every item its own pass.
    pub tokens_per_batch: Option<usize>,
    /// Seed of the order of items and of dropout.
    pub seed: u64,
    /// Peak of the learning rate.
    pub peak_learning_rate: f64,
    /// Floor of the learning rate as a fraction of the peak.
    pub final_learning_rate: f64,
    /// Share of the steps over which the learning rate rises linearly.
    pub warmup: f64,
    /// How the learning rate falls afterwards.
    pub decay: Decay,
    /// Factors on the learning rate of the parameters whose names begin like this; 1 for all others.
    pub rate_factors: Vec<(String, f64)>,
    /// Decoupled weight decay of parameters of two or more dimensions.
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    pub beta1: f64,
    /// AdamW's decay of the second moment.
    pub beta2: f64,
    /// AdamW's ε.
    pub epsilon: f64,
    /// Maximum L2 norm of the gradient; 0 does not clip.
    pub max_grad_norm: f64,
    /// Steps between two evaluations; 0 evaluates after every epoch.
    pub evaluate_every: usize,
    /// Evaluations in a row without improvement after which training ends; 0 never ends it.
    pub early_stopping_patience: usize,
    /// Minimum improvement of the held-out loss.
    pub early_stopping_min_delta: f64,
    /// Steps between two checkpoints; 0 writes one with every evaluation.
    pub checkpoint_every: usize,
    /// Minutes after which a checkpoint is written between those; 0 writes none.
    pub checkpoint_minutes: f64,
    /// Checkpoints kept besides the best one.
    pub keep_checkpoints: usize,
}

impl Settings {
    /// Number of optimiser steps of the run.
    pub fn total_steps(&self, steps_per_epoch: usize) -> usize {
        self.max_steps.unwrap_or(self.epochs * steps_per_epoch)
    }

    /// The factor on the learning rate of the parameter called `name`.
    pub fn rate_factor(&self, name: &str) -> f64 {
        let mut factors = self.rate_factors.iter();
        let found = factors.find(|(beginning, _)| name.starts_with(beginning));
        found.map_or(1.0, |(_, factor)| *factor)
    }
}
