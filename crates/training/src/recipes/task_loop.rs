//! What training and distilling tasks have in common around the loop: errors, batches, the measure
//! on validation rows, and the summary.

use std::path::Path;

use artefacts::ArtefactError;
use artefacts::training::{ClassifierSummary, Evaluation, HeldOutLoss, TaskCounts, TrainSummary};
use burn::Tensor;
use corpus::labelled::Agreement;
use corpus::progress::Progress;
use models::{Backbone, EncodedText, Head, LoraTargetError, ModelDirectoryError, SourceStates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head_losses::{cross_entropies, log_probabilities, predictions};
use super::headed::HeadedNetwork;
use super::product;
use super::ranges::ConfigError;
use super::task_rows::{EncodedRows, EncodedTask, Member, RowError};
use crate::optimizer::ParameterFileError;
use crate::run::{Means, RunError, Settings, TrainerState, pack, steps_per_epoch};
use crate::states::StatesError;

/// What a checkpoint is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChooseBy {
    /// The highest accuracy on the validation rows, of several tasks the highest mean; the earliest
    /// of equals.
    #[default]
    Accuracy,
    /// The lowest loss on the validation rows.
    Loss,
}

impl ChooseBy {
    /// What the best checkpoint has the lowest value of.
    pub fn criterion(self, held_out: &HeldOutLoss) -> f64 {
        match self {
            ChooseBy::Accuracy => 1.0 - held_out.losses[ACCURACY],
            ChooseBy::Loss => held_out.loss,
        }
    }
}

/// Names of the measures on validation rows among the parts of the held-out loss.
const ACCURACY: &str = "accuracy";
const MACRO_F1: &str = "macro_f1";

/// Error returned when tasks cannot be trained or distilled.
#[derive(Debug, thiserror::Error)]
pub enum TaskTrainError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tasks, the backbone and the settings do not go together.
    #[error("{0}")]
    Setup(String),
    /// The adapters cannot be attached.
    #[error("lora_targets: {0}")]
    Lora(#[from] LoraTargetError),
    /// A row cannot be encoded.
    #[error(transparent)]
    Row(#[from] RowError),
    /// States cannot be kept or read.
    #[error(transparent)]
    States(#[from] StatesError),
    /// The loop failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The trained model cannot be saved.
    #[error(transparent)]
    Save(#[from] ModelDirectoryError),
}

impl From<ArtefactError> for TaskTrainError {
    fn from(error: ArtefactError) -> Self {
        RunError::from(error).into()
    }
}

impl From<ParameterFileError> for TaskTrainError {
    fn from(error: ParameterFileError) -> Self {
        RunError::from(error).into()
    }
}

/// Rows that are read together.
pub struct TaskBatch<'a> {
    /// The rows, those of a task together.
    pub members: Vec<Member>,
    /// Their texts.
    pub texts: Vec<&'a EncodedText>,
    /// The first of each text's spans among the spans of all.
    first_span: Vec<u32>,
}

impl<'a> TaskBatch<'a> {
    /// The batch of `members`; `rows` are those of each task.
    pub fn new(mut members: Vec<Member>, rows: &[&'a EncodedRows]) -> Self {
        members.sort_by_key(|member| member.task);
        let texts: Vec<&EncodedText> = members
            .iter()
            .map(|member| rows[member.task].text(member.row))
            .collect();
        let mut spans = 0;
        let first_span = texts.iter().map(|text| {
            let first = spans;
            spans += text.spans.len() as u32;
            first
        });
        Self {
            first_span: first_span.collect(),
            members,
            texts,
        }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.texts.iter().map(|text| text.tokens()).sum()
    }

    /// For each task in the batch: its number, its rows, and the pooled states of all their spans.
    pub fn by_task(&self, pooled: &Tensor<2>) -> Vec<(usize, Vec<usize>, Tensor<2>)> {
        let mut parts = Vec::new();
        let mut start = 0;
        for group in self.members.chunk_by(|a, b| a.task == b.task) {
            let end = start + group.len();
            let texts = self.texts[start..end].iter();
            let first = self.first_span[start] as usize;
            let spans: usize = texts.map(|text| text.spans.len()).sum();
            let states = pooled.clone().slice_dim(0, first..first + spans);
            let rows = group.iter().map(|member| member.row).collect();
            parts.push((group[0].task, rows, states));
            start = end;
        }
        parts
    }

    /// The pooled states of all spans [total spans, C], the task's texts in the order of the batch.
    pub fn pooled(
        &self,
        backbone: &Backbone,
        network: &HeadedNetwork,
        source: Option<SourceStates>,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        backbone.pooled(&network.backbone, &self.texts, source, dropout_seed)
    }
}

/// Predictions on validation rows, by task.
pub struct Measured {
    agreements: Vec<Agreement>,
    losses: Vec<Means>,
}

impl Measured {
    /// Nothing measured yet on tasks with these heads.
    pub fn new(heads: &[Head]) -> Self {
        Self {
            agreements: heads
                .iter()
                .map(|head| Agreement::new(head.labels.len()))
                .collect(),
            losses: heads.iter().map(|_| Means::default()).collect(),
        }
    }

    /// Adds the predictions of `head` for pooled states of a task's rows with these labels. Returns
    /// the cross-entropy of each.
    pub fn add(
        &mut self,
        task: usize,
        head: &Head,
        states: Tensor<2>,
        labels: &[usize],
    ) -> Vec<f64> {
        let log_probabilities = log_probabilities(head, states);
        let losses = cross_entropies(log_probabilities.clone(), labels).into_data();
        for (predicted, &right) in predictions(log_probabilities).into_iter().zip(labels) {
            self.agreements[task].add(predicted, right);
        }
        losses.iter::<f32>().map(f64::from).collect()
    }

    /// Adds the loss of a row to its task's mean.
    pub fn add_loss(&mut self, task: usize, loss: f64) {
        self.losses[task].add("loss", loss);
    }

    /// The mean loss of each task, if it has rows.
    pub fn losses(&self) -> Vec<Option<f64>> {
        let mean = |losses: &Means| losses.means().get("loss").copied();
        self.losses.iter().map(mean).collect()
    }

    /// The mean loss of the tasks, each the mean over its rows, with their mean accuracy and
    /// macro-F1; of several tasks also each one's.
    pub fn held_out(self, names: &[&str]) -> HeldOutLoss {
        let mut means = Means::default();
        let measured = self.agreements.iter().zip(self.losses()).zip(names);
        for ((agreement, loss), name) in measured {
            let Some(loss) = loss else {
                continue;
            };
            let values = [
                ("loss", loss),
                (ACCURACY, agreement.accuracy()),
                (MACRO_F1, agreement.macro_f1()),
            ];
            for (measure, value) in values {
                means.add(measure, value);
                if names.len() > 1 {
                    means.add(&format!("{name}.{measure}"), value);
                }
            }
        }
        let mut losses = means.means();
        HeldOutLoss {
            loss: losses.remove("loss").unwrap_or(0.0),
            losses,
            ..HeldOutLoss::default()
        }
    }
}

/// The summary of a training that ended in `state`.
pub fn summary(
    state: &TrainerState,
    network: &HeadedNetwork,
    tasks: &[EncodedTask],
    learning_rate: f64,
    folder: &Path,
    warnings: Vec<String>,
) -> Result<ClassifierSummary, ArtefactError> {
    let sum = |count: fn(&TaskCounts) -> usize| tasks.iter().map(|task| count(&task.counts)).sum();
    let training = TrainSummary {
        training_examples: sum(|counts| counts.training_rows),
        held_out_examples: sum(|counts| counts.validation_rows),
        dropped_examples: sum(|counts| counts.left_out_rows),
        truncated_examples: sum(|counts| counts.truncated_rows),
        warnings,
        ..product::summary_of(state, network, learning_rate)
    };
    Ok(ClassifierSummary {
        training,
        evaluations: Evaluation::read_all(folder)?,
        tasks: tasks
            .iter()
            .map(|task| (task.name.clone(), task.counts.clone()))
            .collect(),
    })
}

/// Shows and returns what the rows of `tasks` give reason to warn of; texts have at most
/// `max_length` tokens.
pub fn warnings(tasks: &[EncodedTask], max_length: usize, progress: &dyn Progress) -> Vec<String> {
    let warnings: Vec<String> = tasks
        .iter()
        .flat_map(|task| task.warnings(max_length))
        .collect();
    for warning in &warnings {
        progress.note(&format!("warning: {warning}"));
    }
    warnings
}

/// Fails unless the tasks can be trained: at least one, with distinct names, each with a row.
pub fn check_tasks(tasks: &[EncodedTask]) -> Result<(), TaskTrainError> {
    if tasks.is_empty() {
        return Err(TaskTrainError::Setup(
            "there is no task to train; name one under `tasks`".into(),
        ));
    }
    for (index, task) in tasks.iter().enumerate() {
        if tasks[..index].iter().any(|other| other.name == task.name) {
            return Err(TaskTrainError::Setup(format!(
                "two tasks are called `{}`",
                task.name
            )));
        }
        if task.counts.training_rows == 0 {
            let message = format!("task `{}` has no row to train on", task.name);
            return Err(TaskTrainError::Setup(message));
        }
    }
    Ok(())
}

/// Whether a training with these settings reads its rows more than once.
pub fn reads_twice(tasks: &[EncodedTask], settings: &Settings) -> bool {
    let rows = tasks.iter().map(|task| task.counts.training_rows).sum();
    let steps = steps_per_epoch(rows, settings.items_per_step);
    settings.total_steps(steps) > steps
}

/// The held-out network's passes: members packed into passes of at most `budget` tokens.
pub fn passes(members: &[Member], rows: &[&EncodedRows], budget: usize) -> Vec<Vec<Member>> {
    let all: Vec<usize> = (0..members.len()).collect();
    let tokens = |item: usize| rows[members[item].task].text(members[item].row).tokens();
    let plan = pack(&all, budget, |item, _| tokens(item)).into_iter();
    plan.map(|pass| pass.into_iter().map(|item| members[item]).collect())
        .collect()
}
