//! Encoded examples under the objective: their cost and their loss.

use artefacts::training::HeldOutLoss;
use models::Network;

use super::batch::{Batch, batch_loss};
use super::config::TrainConfig;
use super::encode::Encoded;
use super::objective::Objective;
use super::shared_prompts::common;
use crate::run::{Loss, Means, Place, StepPlan, pack};

/// Examples, the objective over all of them, and settings for computing their losses.
#[derive(Debug, Clone)]
pub struct SupervisedSet {
    examples: Vec<Encoded>,
    objective: Objective,
    config: TrainConfig,
}

impl SupervisedSet {
    /// The set of `examples` with the reduction, precision and packing of `config`.
    pub fn new(examples: Vec<Encoded>, config: &TrainConfig) -> Self {
        Self {
            objective: Objective::new(config.reduction, &examples),
            config: config.clone(),
            examples,
        }
    }

    /// The examples.
    pub fn examples(&self) -> &[Encoded] {
        &self.examples
    }

    /// The objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Number of tokens that `example` adds to a forward pass over the examples `beside`: those
    /// that it does not share with one of them.
    pub fn cost(&self, example: usize, beside: &[usize]) -> usize {
        let example = &self.examples[example];
        let common = |&other: &usize| common(example, &self.examples[other]);
        let shared = match self.config.share_prompts {
            true => beside.iter().map(common).max().unwrap_or(0),
            false => 0,
        };
        example.input_tokens() - shared
    }

    /// Assigns `members` to forward passes of at most `tokens_per_batch` tokens.
    pub fn pack(&self, members: &[usize]) -> StepPlan {
        pack(members, self.config.tokens_per_batch, |example, beside| {
            self.cost(example, beside)
        })
    }

    /// The contribution of `batch` to an optimiser step's loss, with dropout. Its parts are the
    /// unweighted means of the subsets.
    pub fn loss(&self, network: &Network, batch: &[usize], place: &Place) -> Loss {
        let members = self.members(batch);
        let weight = |e: &Encoded| self.objective.token_weight(e, place.items.len());
        let batch = Batch::new(&members, self.config.share_prompts, weight);
        let loss = self.config.precision.scope(|| {
            let (ids, segments) = (&batch.ids, &batch.segments);
            let hidden = network.forward_with_dropout(ids, segments, place.dropout_seed);
            batch_loss(hidden, network.output_weight(), &batch)
        });
        let mut parts = Means::default();
        for (example, mean) in members.iter().zip(loss.example_means) {
            parts.add(example.subset.name(), mean);
        }
        Loss {
            tensor: loss.weighted,
            value: loss.value,
            parts,
            tokens: members.iter().map(|e| e.input_tokens()).sum(),
        }
    }

    /// The loss of `network`, which tracks no gradients, on all examples: the weighted objective,
    /// and the mean of each subset. `None` if there are no examples.
    pub fn held_out_loss(&self, network: &Network) -> Option<HeldOutLoss> {
        if self.examples.is_empty() {
            return None;
        }
        let all: Vec<usize> = (0..self.examples.len()).collect();
        let mut parts = Means::default();
        let (mut weighted, mut weights) = (0.0, 0.0);
        for batch in self.pack(&all) {
            let members = self.members(&batch);
            let batch = Batch::new(&members, self.config.share_prompts, |_| 1.0);
            let losses = self.config.precision.scope(|| {
                kernels::together(&network.device(), || {
                    let hidden = network.forward(&batch.ids, &batch.segments);
                    batch_loss(hidden, network.output_weight(), &batch).example_means
                })
            });
            for (example, loss) in members.into_iter().zip(losses) {
                parts.add(example.subset.name(), loss);
                let weight = self.objective.weight(example);
                weighted += weight * loss;
                weights += weight;
            }
        }
        Some(HeldOutLoss {
            loss: weighted / weights,
            losses: parts.means(),
        })
    }

    fn members(&self, batch: &[usize]) -> Vec<&Encoded> {
        batch.iter().map(|&index| &self.examples[index]).collect()
    }
}
