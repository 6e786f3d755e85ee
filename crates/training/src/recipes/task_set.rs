//! The rows of the tasks that a recipe trains on, and the backbone that reads them.

use artefacts::training::HeldOutLoss;
use burn::Tensor;
use burn::tensor::Device;
use kernels::Precision;
use models::Backbone;

use super::headed::HeadedNetwork;
use super::loop_config::{LoopConfig, LoopDefaults};
use super::source_states::KeptSource;
use super::task_loop::{ChooseBy, TaskBatch, TaskTrainError, passes};
use super::task_rows::{EncodedRows, EncodedTask, Member, Part, members};
use crate::run::{Loss, Means, Place};

/// Rows of one or more tasks, each row the same weight in the loss.
pub struct TaskSet {
    /// What reads the rows, without its network.
    pub backbone: Backbone,
    /// The tasks.
    pub tasks: Vec<EncodedTask>,
    source: Option<KeptSource>,
    items: Vec<Member>,
    held_out: Vec<Member>,
    precision: Precision,
    tokens_per_batch: usize,
    choose_by: ChooseBy,
}

impl TaskSet {
    /// The usable rows of `tasks`. `source` are the kept states of a stack's encoder, if there are
    /// any.
    pub fn new<D: LoopDefaults>(
        backbone: Backbone,
        tasks: Vec<EncodedTask>,
        source: Option<KeptSource>,
        training: &LoopConfig<D>,
        choose_by: ChooseBy,
    ) -> Self {
        Self {
            items: members(tasks.iter().map(|task| &task.train)),
            held_out: members(tasks.iter().map(|task| &task.validation)),
            precision: training.precision,
            tokens_per_batch: training.tokens_per_batch,
            choose_by,
            backbone,
            tasks,
            source,
        }
    }

    /// Number of training rows.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Number of tokens of a training row.
    pub fn cost(&self, item: usize) -> usize {
        let Member { task, row } = self.items[item];
        self.tasks[task].train.text(row).tokens()
    }

    /// Names of the tasks.
    pub fn names(&self) -> Vec<&str> {
        self.tasks.iter().map(|task| task.name.as_str()).collect()
    }

    /// The labels of these rows of a task.
    pub fn labels(&self, task: usize, part: Part, rows: &[usize]) -> Vec<usize> {
        let labels = &self.tasks[task].rows(part).labels;
        rows.iter().map(|&row| labels[row]).collect()
    }

    /// The pooled states of a batch of one part of the rows.
    pub fn pooled(
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

    /// The loss of the training rows `batch` of a step, a mean over the step's rows. `losses`
    /// computes the loss of each row [rows] of each task in the batch.
    pub fn loss(
        &self,
        batch: &[usize],
        place: &Place,
        device: &Device,
        losses: impl FnOnce(&TaskBatch<'_>) -> Result<Vec<(usize, Tensor<1>)>, TaskTrainError>,
    ) -> Result<Loss, TaskTrainError> {
        let members = batch.iter().map(|&item| self.items[item]).collect();
        let batch = TaskBatch::new(members, &self.rows(Part::Train));
        let mut parts = Means::default();
        let tensor = self.precision.scope(|| {
            let mut sum = Tensor::zeros([1], device);
            for (task, losses) in losses(&batch)? {
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

    /// Whether there are validation rows.
    pub fn is_validated(&self) -> bool {
        !self.held_out.is_empty()
    }

    /// What `read` computes without gradients for the validation rows, a batch at a time.
    pub fn validation<T>(
        &self,
        device: &Device,
        read: impl Fn(&TaskBatch<'_>) -> Result<T, TaskTrainError>,
        mut measure: impl FnMut(&TaskBatch<'_>, T),
    ) -> Result<(), TaskTrainError> {
        let rows = self.rows(Part::Validation);
        for pass in passes(&self.held_out, &rows, self.tokens_per_batch) {
            let batch = TaskBatch::new(pass, &rows);
            let computed = self
                .precision
                .scope(|| kernels::together(device, || read(&batch)))?;
            measure(&batch, computed);
        }
        Ok(())
    }

    /// What the best checkpoint has the lowest value of.
    pub fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        self.choose_by.criterion(held_out)
    }

    fn rows(&self, part: Part) -> Vec<&EncodedRows> {
        self.tasks.iter().map(|task| task.rows(part)).collect()
    }
}
