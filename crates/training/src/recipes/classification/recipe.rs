//! Classification as a recipe for the training loop.

use artefacts::training::HeldOutLoss;
use models::Backbone;

use super::config::ClassificationConfig;
use crate::recipes::head_losses::{cross_entropies, log_probabilities};
use crate::recipes::headed::HeadedNetwork;
use crate::recipes::source_states::KeptSource;
use crate::recipes::task_loop::{Measured, TaskTrainError};
use crate::recipes::task_rows::{EncodedTask, Part};
use crate::recipes::task_set::TaskSet;
use crate::run::{Loss, Place, Recipe};

/// Cross-entropy of the labels of one or more tasks, each row the same weight.
pub struct Classification {
    set: TaskSet,
}

impl Classification {
    /// The recipe for these tasks. `source` are the kept states of a stack's encoder, if there are
    /// any.
    pub fn new(
        backbone: Backbone,
        tasks: Vec<EncodedTask>,
        source: Option<KeptSource>,
        config: &ClassificationConfig,
    ) -> Self {
        let set = TaskSet::new(backbone, tasks, source, &config.training, config.choose_by);
        Self { set }
    }

    /// The rows.
    pub(super) fn into_set(self) -> TaskSet {
        self.set
    }
}

impl Recipe for Classification {
    type Network = HeadedNetwork;
    type Error = TaskTrainError;

    fn learning_rate_key(&self) -> &'static str {
        "classify.training.learning_rate"
    }

    fn items(&self) -> usize {
        self.set.items()
    }

    fn cost(&self, item: usize, _: &[usize]) -> usize {
        self.set.cost(item)
    }

    fn loss(
        &self,
        network: &HeadedNetwork,
        batch: &[usize],
        place: &Place,
    ) -> Result<Loss, TaskTrainError> {
        let device = network.backbone.device();
        self.set.loss(batch, place, &device, |batch| {
            let seed = Some(place.dropout_seed);
            let pooled = self.set.pooled(network, batch, Part::Train, seed)?;
            let by_task = batch.by_task(&pooled).into_iter();
            let losses = by_task.map(|(task, rows, states)| {
                let log_probabilities = log_probabilities(&network.heads[task], states);
                let labels = self.set.labels(task, Part::Train, &rows);
                (task, cross_entropies(log_probabilities, &labels))
            });
            Ok(losses.collect())
        })
    }

    fn held_out(&self, network: &HeadedNetwork) -> Result<Option<HeldOutLoss>, TaskTrainError> {
        if !self.set.is_validated() {
            return Ok(None);
        }
        let mut measured = Measured::new(&network.heads);
        self.set.validation(
            &network.backbone.device(),
            |batch| self.set.pooled(network, batch, Part::Validation, None),
            |batch, pooled| {
                for (task, rows, states) in batch.by_task(&pooled) {
                    let labels = self.set.labels(task, Part::Validation, &rows);
                    for loss in measured.add(task, &network.heads[task], states, &labels) {
                        measured.add_loss(task, loss);
                    }
                }
            },
        )?;
        Ok(Some(measured.held_out(&self.set.names())))
    }

    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        self.set.criterion(held_out)
    }
}
