//! Task distillation as a recipe for the training loop.

use artefacts::training::HeldOutLoss;
use burn::Tensor;
use models::Backbone;

use super::config::DistillationConfig;
use super::teacher_states::TeacherStates;
use crate::recipes::headed::HeadedNetwork;
use crate::recipes::source_states::KeptSource;
use crate::recipes::task_loop::{Measured, TaskBatch, TaskTrainError};
use crate::recipes::task_rows::{EncodedTask, Part};
use crate::recipes::task_set::TaskSet;
use crate::run::{Loss, Means, Place, Recipe};

/// Mean squared error of a backbone's pooled states to those of each task's teacher, each row the
/// same weight.
pub struct TaskDistillation<'a> {
    set: TaskSet,
    teachers: Vec<&'a TeacherStates>,
    /// Variance of each teacher's states of the validation rows.
    variances: Vec<f64>,
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
            set: TaskSet::new(backbone, tasks, source, &config.training, config.choose_by),
            teachers,
        })
    }

    /// The rows.
    pub(super) fn into_set(self) -> TaskSet {
        self.set
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
        let pooled = self.set.pooled(network, batch, part, dropout_seed)?;
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

    fn learning_rate_key(&self) -> &'static str {
        "distill.training.learning_rate"
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
            let compared = self.errors(network, batch, Part::Train, Some(place.dropout_seed))?;
            let errors = compared.into_iter();
            Ok(errors
                .map(|compared| (compared.task, compared.errors))
                .collect())
        })
    }

    /// The mean squared error, the accuracy of the teachers' heads on the student's states, and
    /// `fvu`: the error as a fraction of the variance of the teacher's states.
    fn held_out(&self, network: &HeadedNetwork) -> Result<Option<HeldOutLoss>, TaskTrainError> {
        if !self.set.is_validated() {
            return Ok(None);
        }
        let mut measured = Measured::new(&network.heads);
        self.set.validation(
            &network.backbone.device(),
            |batch| self.errors(network, batch, Part::Validation, None),
            |_, compared| {
                for compared in compared {
                    let Compared { task, rows, .. } = compared;
                    let labels = self.set.labels(task, Part::Validation, &rows);
                    measured.add(task, &network.heads[task], compared.states, &labels);
                    for error in compared.errors.into_data().iter::<f32>() {
                        measured.add_loss(task, error.into());
                    }
                }
            },
        )?;
        let mut fvu = Means::default();
        for (loss, variance) in measured.losses().into_iter().zip(&self.variances) {
            if let Some(loss) = loss.filter(|_| *variance > 0.0) {
                fvu.add("fvu", loss / variance);
            }
        }
        let mut held_out = measured.held_out(&self.set.names());
        held_out.losses.extend(fvu.means());
        Ok(Some(held_out))
    }

    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        self.set.criterion(held_out)
    }
}
