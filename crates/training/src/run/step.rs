//! One optimiser step: forward and backward passes over its micro batches, then the update.

use burn::module::Module;
use corpus::sampling::Stream;
use kernels::AdamWStep;

use super::device_of;
use super::plan::StepPlan;
use super::recipe::{Loss, Means, Place};
use super::settings::Settings;
use crate::optimizer::{AdamW, Gradients, clipping_factor};

/// Measurements of one optimiser step, before its update.
#[derive(Debug)]
pub struct StepResult {
    /// The objective over the step's items.
    pub loss: f64,
    /// Its parts.
    pub parts: Means,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens of the items.
    pub tokens: usize,
}

/// Loss and gradients of one optimiser step.
#[derive(Debug, Default)]
pub struct StepGradients {
    /// The objective over the step's items.
    pub loss: f64,
    /// Its parts.
    pub parts: Means,
    /// Sum over the micro batches.
    pub gradients: Gradients,
    /// Tokens of the items.
    pub tokens: usize,
}

/// Forward and backward passes over the micro batches of `plan` with the loss function `loss`;
/// `step` is the number of the optimiser step and `seed` the seed of the run.
pub fn gradients<M: Module, E>(
    network: &M,
    plan: &StepPlan,
    step: usize,
    seed: u64,
    loss: impl Fn(&M, &[usize], &Place) -> Result<Loss, E>,
) -> Result<StepGradients, E> {
    let items = plan.concat();
    let mut sum = StepGradients::default();
    for (number, batch) in plan.iter().enumerate() {
        let place = Place {
            step,
            items: &items,
            dropout_seed: dropout_seed(seed, step, number),
        };
        let loss = loss(network, batch, &place)?;
        sum.loss += loss.value;
        sum.tokens += loss.tokens;
        sum.parts.extend(loss.parts);
        sum.gradients.add(network, loss.tensor.backward());
    }
    Ok(sum)
}

/// One optimiser step with AdamW and gradient clipping. If the loss or gradient is not finite, the
/// network stays unchanged.
pub fn train_step<M: Module, E>(
    network: M,
    optimizer: &mut AdamW,
    plan: &StepPlan,
    step: usize,
    learning_rate: f64,
    settings: &Settings,
    loss: impl Fn(&M, &[usize], &Place) -> Result<Loss, E>,
) -> Result<(M, StepResult), E> {
    let device = device_of(&network);
    let (computed, grad_norm) = kernels::together(&device, || {
        let computed = gradients(&network, plan, step, settings.seed, loss)?;
        let norm = computed.gradients.norm();
        Ok::<_, E>((computed, norm))
    })?;
    let StepGradients {
        loss,
        parts,
        gradients,
        tokens,
    } = computed;
    let result = StepResult {
        loss,
        parts,
        grad_norm,
        tokens,
    };
    if !loss.is_finite() || !grad_norm.is_finite() {
        return Ok((network, result));
    }
    let update = AdamWStep {
        beta1: settings.beta1,
        beta2: settings.beta2,
        epsilon: settings.epsilon,
        weight_decay: settings.weight_decay,
        gradient_scale: clipping_factor(grad_norm, settings.max_grad_norm),
        ..AdamWStep::new(learning_rate, step as u32 + 1)
    };
    let network = kernels::together(&device, || {
        optimizer.step_at_rates(network, gradients, &update, |name| {
            settings.rate_factor(name)
        })
    });
    Ok((network, result))
}

/// Makes dropout a function of the seed and the position in the run, so that a resumed run drops
/// the same values as an uninterrupted one.
fn dropout_seed(seed: u64, step: usize, micro_batch: usize) -> u64 {
    Stream::for_id(seed, "dropout", &format!("{step}/{micro_batch}")).bits()
}
