//! Encoded examples under the objective: their cost and their loss.

use artefacts::training::HeldOutLoss;
use kernels::Teacher;
use models::Network;

use super::batch::{Batch, batch_loss};
use super::config::TrainConfig;
use super::encode::Encoded;
use super::objective::Objective;
use super::shared_prompts::common;
use super::steps;
use super::teacher::Taught;
use crate::run::{Loss, Means, Place, StepPlan, pack};
use crate::states::StatesError;

/// Examples, the objective over all of them, and settings for computing their losses.
#[derive(Debug, Clone)]
pub struct SupervisedSet {
    examples: Vec<Encoded>,
    objective: Objective,
    taught: Option<Taught>,
    config: TrainConfig,
}

impl SupervisedSet {
    /// The set of `examples` with the reduction, precision and packing of `config`.
    pub fn new(examples: Vec<Encoded>, config: &TrainConfig) -> Self {
        Self {
            objective: Objective::new(config, &examples),
            taught: None,
            config: config.clone(),
            examples,
        }
    }

    /// The set whose examples `taught` teaches.
    pub fn taught(self, taught: Option<Taught>) -> Self {
        Self { taught, ..self }
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

    /// The examples of each optimiser step of an epoch.
    pub fn steps(&self, epoch: usize) -> Vec<Vec<usize>> {
        steps::steps(&self.examples, &self.config, epoch)
    }

    /// Assigns `members` to forward passes of at most `tokens_per_batch` tokens.
    pub fn pack(&self, members: &[usize]) -> StepPlan {
        pack(members, self.config.tokens_per_batch, |example, beside| {
            self.cost(example, beside)
        })
    }

    /// The contribution of `batch` to an optimiser step's loss, with dropout. Its parts are the
    /// unweighted means of the subsets: of the cross-entropy and, with a teacher, of the divergence.
    ///
    /// # Errors
    /// The teacher's distributions cannot be read.
    pub fn loss(
        &self,
        network: &Network,
        batch: &[usize],
        place: &Place,
    ) -> Result<Loss, StatesError> {
        let weight = |e: &Encoded| self.objective.token_weight(e, place.items.len());
        let (laid_out, teacher) = self.lay_out(batch, weight)?;
        let loss = self.config.precision.scope(|| {
            let (ids, segments) = (&laid_out.ids, &laid_out.segments);
            let hidden = network.forward_with_dropout(ids, segments, place.dropout_seed);
            batch_loss(hidden, network.output_weight(), &laid_out, &teacher)
        });
        let mut parts = Means::default();
        let means = loss.example_means.iter().zip(&loss.divergences);
        for (&example, (&mean, &divergence)) in batch.iter().zip(means) {
            self.add_parts(&mut parts, example, mean, divergence);
        }
        Ok(Loss {
            tensor: loss.weighted,
            value: loss.value,
            parts,
            tokens: batch.iter().map(|&e| self.examples[e].input_tokens()).sum(),
        })
    }

    /// The loss of `network`, which tracks no gradients, on all examples: the weighted objective,
    /// and the means of each subset. `None` if there are no examples.
    ///
    /// # Errors
    /// The teacher's distributions cannot be read.
    pub fn held_out_loss(&self, network: &Network) -> Result<Option<HeldOutLoss>, StatesError> {
        if self.examples.is_empty() {
            return Ok(None);
        }
        let all: Vec<usize> = (0..self.examples.len()).collect();
        let mut parts = Means::default();
        let (mut weighted, mut weights) = (0.0, 0.0);
        for batch in self.pack(&all) {
            let (laid_out, teacher) = self.lay_out(&batch, |_| 1.0)?;
            let losses = self.config.precision.scope(|| {
                kernels::together(&network.device(), || {
                    let hidden = network.forward(&laid_out.ids, &laid_out.segments);
                    batch_loss(hidden, network.output_weight(), &laid_out, &teacher)
                })
            });
            let losses = losses.example_means.into_iter().zip(losses.divergences);
            for (&example, (mean, divergence)) in batch.iter().zip(losses) {
                self.add_parts(&mut parts, example, mean, divergence);
                let weight = self.objective.weight(&self.examples[example]);
                let share = divergence.map_or(0.0, |_| self.config.distil_share);
                let loss = (1.0 - share) * mean + share * divergence.unwrap_or_default();
                weighted += weight * loss;
                weights += weight;
            }
        }
        Ok(Some(HeldOutLoss {
            loss: weighted / weights,
            losses: parts.means(),
            ..HeldOutLoss::default()
        }))
    }

    /// The examples of `batch` laid out for a forward pass, and the teacher's distributions for them.
    /// `token_weight` returns the weight of an example's answer tokens, which its cross-entropy and
    /// its divergence share.
    fn lay_out(
        &self,
        batch: &[usize],
        token_weight: impl Fn(&Encoded) -> f64,
    ) -> Result<(Batch, Teacher), StatesError> {
        let members: Vec<&Encoded> = batch.iter().map(|&index| &self.examples[index]).collect();
        let share = self.config.distil_share;
        let rest = |e: &Encoded| match self.taught.is_some() && e.teacher_prompt.is_some() {
            true => 1.0 - share,
            false => 1.0,
        };
        let weight = |e: &Encoded| token_weight(e) * rest(e);
        let laid_out = Batch::new(&members, self.config.share_prompts, weight);
        let teacher = match &self.taught {
            Some(taught) => taught.of_batch(&laid_out, batch, |example| {
                share * token_weight(&self.examples[example])
            })?,
            None => Teacher::default(),
        };
        Ok((laid_out, teacher))
    }

    fn add_parts(&self, parts: &mut Means, example: usize, mean: f64, divergence: Option<f64>) {
        let subset = self.examples[example].subset.name();
        parts.add(subset, mean);
        if let Some(divergence) = divergence {
            parts.add(&format!("{subset}.divergence"), divergence);
        }
    }
}
