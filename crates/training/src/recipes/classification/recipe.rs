//! Classification as a recipe for the training loop.

use artefacts::training::HeldOutLoss;
use burn::Tensor;
use kernels::Precision;
use models::Backbone;

use super::config::ClassificationConfig;
use crate::recipes::head_losses::{cross_entropies, log_probabilities};
use crate::recipes::headed::HeadedNetwork;
use crate::recipes::source_states::KeptSource;
use crate::recipes::task_loop::{ChooseBy, Measured, TaskBatch, TaskTrainError, passes};
use crate::recipes::task_rows::{EncodedRows, EncodedTask, Member, Part, members};
use crate::run::{Loss, Means, Place, Recipe};

/// Cross-entropy of the labels of one or more tasks, each row the same weight.
pub struct Classification {
    backbone: Backbone,
    tasks: Vec<EncodedTask>,
    source: Option<KeptSource>,
    items: Vec<Member>,
    held_out: Vec<Member>,
    precision: Precision,
    tokens_per_batch: usize,
    choose_by: ChooseBy,
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
        Self {
            items: members(tasks.iter().map(|task| &task.train)),
            held_out: members(tasks.iter().map(|task| &task.validation)),
            precision: config.training.precision,
            tokens_per_batch: config.training.tokens_per_batch,
            choose_by: config.choose_by,
            backbone,
            tasks,
            source,
        }
    }

    /// The tasks.
    pub fn tasks(&self) -> &[EncodedTask] {
        &self.tasks
    }

    /// The backbone without its network.
    pub fn into_backbone(self) -> Backbone {
        self.backbone
    }

    /// The pooled states of a batch of one part of the rows.
    fn pooled(
        &self,
        network: &HeadedNetwork,
        batch: &TaskBatch<'_>,
        part: Part,
        dropout_seed: Option<u64>,
    ) -> Result<Tensor<2>, TaskTrainError> {
        let device = network.backbone.device().inner();
        let kept = self.source.as_ref();
        let source = kept.map(|kept| kept.read(&batch.members, part, &device));
        Ok(batch.pooled(&self.backbone, network, source.transpose()?, dropout_seed))
    }

    fn labels(rows: &EncodedRows, numbers: &[usize]) -> Vec<usize> {
        numbers.iter().map(|&row| rows.labels[row]).collect()
    }
}

impl Recipe for Classification {
    type Network = HeadedNetwork;
    type Error = TaskTrainError;

    fn items(&self) -> usize {
        self.items.len()
    }

    fn cost(&self, item: usize, _: &[usize]) -> usize {
        let Member { task, row } = self.items[item];
        self.tasks[task].train.text(row).tokens()
    }

    fn loss(
        &self,
        network: &HeadedNetwork,
        batch: &[usize],
        place: &Place,
    ) -> Result<Loss, TaskTrainError> {
        let rows: Vec<&EncodedRows> = self.tasks.iter().map(|task| &task.train).collect();
        let members = batch.iter().map(|&item| self.items[item]).collect();
        let batch = TaskBatch::new(members, &rows);
        let mut parts = Means::default();
        let tensor = self.precision.scope(|| {
            let seed = Some(place.dropout_seed);
            let pooled = self.pooled(network, &batch, Part::Train, seed)?;
            let mut sum = Tensor::zeros([1], &network.backbone.device());
            for (task, numbers, states) in batch.by_task(&pooled) {
                let log_probabilities = log_probabilities(&network.heads[task], states);
                let labels = Self::labels(rows[task], &numbers);
                let losses = cross_entropies(log_probabilities, &labels);
                for loss in losses.clone().into_data().iter::<f32>() {
                    parts.add(&self.tasks[task].name, loss.into());
                }
                sum = sum + losses.sum();
            }
            Ok::<_, TaskTrainError>(sum / place.items.len() as f32)
        })?;
        Ok(Loss {
            value: tensor.clone().into_scalar::<f32>().into(),
            tensor,
            parts,
            tokens: batch.tokens(),
        })
    }

    fn held_out(&self, network: &HeadedNetwork) -> Result<Option<HeldOutLoss>, TaskTrainError> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let rows: Vec<&EncodedRows> = self.tasks.iter().map(|task| &task.validation).collect();
        let mut measured = Measured::new(&network.heads);
        for pass in passes(&self.held_out, &rows, self.tokens_per_batch) {
            let batch = TaskBatch::new(pass, &rows);
            let pooled = self.precision.scope(|| {
                kernels::together(&network.backbone.device(), || {
                    self.pooled(network, &batch, Part::Validation, None)
                })
            })?;
            for (task, numbers, states) in batch.by_task(&pooled) {
                let labels = Self::labels(rows[task], &numbers);
                for loss in measured.add(task, &network.heads[task], states, &labels) {
                    measured.add_loss(task, loss);
                }
            }
        }
        let names: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
        Ok(Some(measured.held_out(&names)))
    }

    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        self.choose_by.criterion(held_out)
    }
}
