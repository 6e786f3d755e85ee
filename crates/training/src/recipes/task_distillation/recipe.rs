//! Task distillation as a recipe for the training loop.

use artefacts::training::HeldOutLoss;
use burn::Tensor;
use kernels::Precision;
use models::Backbone;

use super::config::DistillationConfig;
use super::teacher_states::TeacherStates;
use crate::recipes::headed::HeadedNetwork;
use crate::recipes::source_states::KeptSource;
use crate::recipes::task_loop::{ChooseBy, Measured, TaskBatch, TaskTrainError, passes};
use crate::recipes::task_rows::{EncodedRows, EncodedTask, Member, Part, members};
use crate::run::{Loss, Means, Place, Recipe};

/// Mean squared error of a backbone's pooled states to those of each task's teacher, each row the
/// same weight.
pub struct TaskDistillation<'a> {
    backbone: Backbone,
    tasks: Vec<EncodedTask>,
    teachers: Vec<&'a TeacherStates>,
    source: Option<KeptSource>,
    items: Vec<Member>,
    held_out: Vec<Member>,
    /// Variance of each teacher's states of the validation rows.
    variances: Vec<f64>,
    precision: Precision,
    tokens_per_batch: usize,
    choose_by: ChooseBy,
}

impl<'a> TaskDistillation<'a> {
    /// The recipe for these tasks, each with its teacher. `source` are the kept states of the frozen
    /// encoder, if there are any.
    pub fn new(
        backbone: Backbone,
        tasks: Vec<EncodedTask>,
        teachers: Vec<&'a TeacherStates>,
        source: Option<KeptSource>,
        config: &DistillationConfig,
    ) -> Result<Self, TaskTrainError> {
        let variance = |(teacher, task): (&&TeacherStates, &EncodedTask)| {
            teacher.variance(Part::Validation, &task.validation.usable())
        };
        let variances = teachers.iter().zip(&tasks).map(variance);
        Ok(Self {
            variances: variances.collect::<Result<_, _>>()?,
            items: members(tasks.iter().map(|task| &task.train)),
            held_out: members(tasks.iter().map(|task| &task.validation)),
            precision: config.training.precision,
            tokens_per_batch: config.training.tokens_per_batch,
            choose_by: config.choose_by,
            backbone,
            tasks,
            teachers,
            source,
        })
    }

    /// The tasks.
    pub fn tasks(&self) -> &[EncodedTask] {
        &self.tasks
    }

    /// The backbone without its network.
    pub fn into_backbone(self) -> Backbone {
        self.backbone
    }

    /// For each task in the batch: its number, its rows, the student's states of their spans, and
    /// the squared error of each row [rows], the mean over its spans and their values.
    fn errors(
        &self,
        network: &HeadedNetwork,
        batch: &TaskBatch<'_>,
        part: Part,
        dropout_seed: Option<u64>,
    ) -> Result<Vec<Compared>, TaskTrainError> {
        let device = network.backbone.device();
        let kept = self.source.as_ref();
        let source = kept.map(|kept| kept.read(&batch.members, part, &device.clone().inner()));
        let source = source.transpose()?;
        let pooled = batch.pooled(&self.backbone, network, source, dropout_seed);
        let compare = |(task, rows, states): (usize, Vec<usize>, Tensor<2>)| {
            let targets = self.teachers[task].read(part, &rows, &device)?;
            let [spans, width] = states.dims();
            let squares = (states.clone() - targets).square();
            let per_row = squares.reshape([rows.len(), spans / rows.len() * width]);
            let errors = per_row.mean_dim(1).reshape([rows.len()]);
            Ok(Compared {
                task,
                rows,
                states,
                errors,
            })
        };
        batch.by_task(&pooled).into_iter().map(compare).collect()
    }
}

/// The rows of a task in a batch, compared with their teacher.
struct Compared {
    task: usize,
    rows: Vec<usize>,
    states: Tensor<2>,
    errors: Tensor<1>,
}

impl Recipe for TaskDistillation<'_> {
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
            let mut sum = Tensor::zeros([1], &network.backbone.device());
            let seed = Some(place.dropout_seed);
            for compared in self.errors(network, &batch, Part::Train, seed)? {
                for error in compared.errors.clone().into_data().iter::<f32>() {
                    parts.add(&self.tasks[compared.task].name, error.into());
                }
                sum = sum + compared.errors.sum();
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

    /// The mean squared error, the accuracy of the teachers' heads on the student's states, and
    /// `fvu`: the error as a fraction of the variance of the teacher's states.
    fn held_out(&self, network: &HeadedNetwork) -> Result<Option<HeldOutLoss>, TaskTrainError> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let rows: Vec<&EncodedRows> = self.tasks.iter().map(|task| &task.validation).collect();
        let mut measured = Measured::new(&network.heads);
        for pass in passes(&self.held_out, &rows, self.tokens_per_batch) {
            let batch = TaskBatch::new(pass, &rows);
            let compared = self.precision.scope(|| {
                kernels::together(&network.backbone.device(), || {
                    self.errors(network, &batch, Part::Validation, None)
                })
            })?;
            for compared in compared {
                let Compared { task, states, .. } = compared;
                let right = |&row: &usize| rows[task].labels[row];
                let labels: Vec<usize> = compared.rows.iter().map(right).collect();
                measured.add(task, &network.heads[task], states, &labels);
                for error in compared.errors.into_data().iter::<f32>() {
                    measured.add_loss(task, error.into());
                }
            }
        }
        let names: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
        let mut fvu = Means::default();
        for (loss, variance) in measured.losses().into_iter().zip(&self.variances) {
            if let Some(loss) = loss.filter(|_| *variance > 0.0) {
                fvu.add("fvu", loss / variance);
            }
        }
        let mut held_out = measured.held_out(&names);
        held_out.losses.extend(fvu.means());
        Ok(Some(held_out))
    }

    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        self.choose_by.criterion(held_out)
    }
}
