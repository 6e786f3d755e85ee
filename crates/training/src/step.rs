//! One optimiser step: forward and backward over its micro batches, then the update.

use corpus::sampling::Stream;
use kernels::{AdamWStep, Precision};
use models::llama::Llama;

use crate::config::{self, TrainConfig};
use crate::encode::Encoded;
use crate::gradient::{Gradients, clipping_factor};
use crate::held_out::SubsetMeans;
use crate::loss::{Batch, batch_loss};
use crate::objective::Objective;
use crate::optimizer::AdamW;
use crate::pack::StepPlan;

/// What one optimiser step measured, before its update.
#[derive(Debug)]
pub struct StepResult {
    /// The objective over the step's examples.
    pub loss: f64,
    /// Unweighted losses of the examples.
    pub subsets: SubsetMeans,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens of the examples; those that several share count for each.
    pub tokens: usize,
}

/// Loss and gradients of one optimiser step.
pub struct StepGradients {
    /// The objective over the step's examples.
    pub loss: f64,
    /// Unweighted losses of the examples.
    pub subsets: SubsetMeans,
    /// Sum over the micro batches.
    pub gradients: Gradients,
    /// Tokens of the examples; those that several share count for each.
    pub tokens: usize,
}

impl From<config::Precision> for Precision {
    fn from(precision: config::Precision) -> Self {
        match precision {
            config::Precision::F32 => Precision::F32,
            // Frozen weights multiply in their own format.
            config::Precision::Bf16 | config::Precision::Int8 => Precision::Bf16,
        }
    }
}

/// Forward and backward over the micro batches of `plan`; `step` is the optimiser step's number.
pub fn gradients(
    llama: &Llama,
    examples: &[Encoded],
    plan: &StepPlan,
    objective: &Objective,
    config: &TrainConfig,
    step: usize,
) -> StepGradients {
    let examples_in_step = plan.iter().map(Vec::len).sum();
    let mut sum = StepGradients {
        loss: 0.0,
        subsets: SubsetMeans::default(),
        gradients: Gradients::default(),
        tokens: 0,
    };
    for (number, indices) in plan.iter().enumerate() {
        let members: Vec<&Encoded> = indices.iter().map(|&index| &examples[index]).collect();
        let batch = Batch::new(&members, config, |e| {
            objective.token_weight(e, examples_in_step)
        });
        let dropout_seed = dropout_seed(config, step, number);
        let loss = Precision::from(config.precision).scope(|| {
            let hidden = llama.forward_with_dropout(&batch.ids, &batch.segments, dropout_seed);
            batch_loss(hidden, llama.output_weight(), &batch)
        });
        sum.loss += loss.value;
        sum.tokens += members.iter().map(|e| e.input_tokens()).sum::<usize>();
        for (example, mean) in members.into_iter().zip(loss.example_means) {
            sum.subsets.add(example.subset, mean);
        }
        sum.gradients.add(llama, loss.weighted.backward());
    }
    sum
}

/// One optimiser step with AdamW: `adamw.gradient_scale` is set here, to clip the gradient.
#[allow(clippy::too_many_arguments)]
pub fn train_step(
    llama: Llama,
    optimizer: &mut AdamW,
    examples: &[Encoded],
    plan: &StepPlan,
    objective: &Objective,
    config: &TrainConfig,
    learning_rate: f64,
    step: usize,
) -> (Llama, StepResult) {
    let device = llama.device();
    let (step_gradients, grad_norm) = kernels::together(&device, || {
        let computed = gradients(&llama, examples, plan, objective, config, step);
        let norm = computed.gradients.norm();
        (computed, norm)
    });
    let StepGradients {
        loss,
        subsets,
        gradients,
        tokens,
    } = step_gradients;
    let result = StepResult {
        loss,
        subsets,
        grad_norm,
        tokens,
    };
    if !loss.is_finite() || !grad_norm.is_finite() {
        return (llama, result);
    }
    let update = AdamWStep {
        beta1: config.beta1,
        beta2: config.beta2,
        epsilon: config.epsilon,
        weight_decay: config.weight_decay,
        gradient_scale: clipping_factor(grad_norm, config.max_grad_norm),
        ..AdamWStep::new(learning_rate, step as u32 + 1)
    };
    let llama = kernels::together(&device, || optimizer.step(llama, gradients, &update));
    (llama, result)
}

/// Makes dropout a function of the seed and the place in the run, so that a resumed run drops
/// what an undisturbed one would have dropped.
fn dropout_seed(config: &TrainConfig, step: usize, micro_batch: usize) -> u64 {
    let place = format!("{step}/{micro_batch}");
    Stream::for_id(config.seed, "dropout", &place).bits()
}
