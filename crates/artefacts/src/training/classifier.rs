//! What the training of a classifier leaves in its manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{HeldOutLoss, Losses, Metric, TrainSummary};
use crate::ArtefactError;

/// Name of the accuracy among the parts of a held-out loss.
const ACCURACY: &str = "accuracy";

/// Summary of a finished training of heads, or distillation of tasks.
///
/// Among the parts of its held-out losses are `accuracy` and `macro_f1` (0 to 1) on the validation
/// rows; of several tasks their means, beside `TASK.accuracy` and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierSummary {
    /// The summary of the training; its examples are the rows of all tasks.
    #[serde(flatten)]
    pub training: TrainSummary,
    /// All evaluations in order, the first before the first step.
    pub evaluations: Vec<Evaluation>,
    /// The rows of each task.
    pub tasks: BTreeMap<String, TaskCounts>,
}

/// Results in the manifest of a finished training of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierRecord {
    /// The summary.
    pub summary: ClassifierSummary,
}

/// A measurement on the validation rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Optimiser steps done.
    pub step: usize,
    /// Passes over the training rows done, as a fraction.
    pub epoch: f64,
    /// The loss, with its parts.
    #[serde(flatten)]
    pub held_out: HeldOutLoss,
}

/// The rows of a task in training.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Rows trained on.
    pub training_rows: usize,
    /// Rows on which the checkpoint was chosen.
    pub validation_rows: usize,
    /// Rows of the files that could not be used, by reason.
    pub rejected_rows: BTreeMap<String, usize>,
    /// Rows cut to the maximum length.
    pub truncated_rows: usize,
    /// Rows left out because their answers alone exceed the maximum length, or have no tokens.
    pub left_out_rows: usize,
}

impl Evaluation {
    /// The evaluations in the `metrics.jsonl` of `folder`.
    pub fn read_all(folder: &Path) -> Result<Vec<Evaluation>, ArtefactError> {
        let evaluation = |metric| match metric {
            Metric::Evaluation {
                step,
                epoch,
                loss,
                losses,
                intervals,
                ..
            } => Some(Evaluation {
                step,
                epoch,
                held_out: HeldOutLoss {
                    loss,
                    losses,
                    intervals,
                },
            }),
            Metric::Train { .. } => None,
        };
        let metrics = Metric::read_all(folder)?;
        Ok(metrics.into_iter().filter_map(evaluation).collect())
    }
}

impl fmt::Display for ClassifierSummary {
    /// The line of the training, and the validation accuracy before and after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.training.fmt(f)?;
        let accuracy = |held_out: &HeldOutLoss| -> Option<f64> {
            let parts: &Losses = &held_out.losses;
            parts.get(ACCURACY).map(|accuracy| 100.0 * accuracy)
        };
        let before = self.training.before.as_ref().and_then(accuracy);
        let after = self.training.after.as_ref().and_then(accuracy);
        if let (Some(before), Some(after)) = (before, after) {
            write!(f, ", accuracy {before:.1} → {after:.1} %")?;
        }
        Ok(())
    }
}
