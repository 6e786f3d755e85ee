//! What training leaves in its folder for others to read: `metrics.jsonl`, one measurement a line,
//! and in the manifest a summary.
//!
//! Losses are called by name, since what a loss consists of is the recipe's affair: the subsets of
//! a transfer set, the layers of a distilled model.

mod classifier;
mod quantity;

use std::collections::BTreeMap;
use std::{fmt, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::Key;

pub use classifier::{ClassifierRecord, ClassifierSummary, Evaluation, TaskCounts};
pub use quantity::{Quantity, SHARE, described};

use crate::ArtefactError;

/// Name of the file of measurements in a training folder.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// The parts of a loss by name. In fine-tuning, the mean of each subset in nats per answer token.
pub type Losses = BTreeMap<String, f64>;

/// A 95 % confidence interval of a mean over answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Number of answers.
    pub answers: usize,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Intervals by the name of what was measured.
pub type Intervals = BTreeMap<String, Interval>;

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Metric {
    /// An optimiser step.
    Train {
        /// Number of optimiser steps, including this one.
        step: usize,
        /// Passes over the training set done, as a fraction.
        epoch: f64,
        /// The objective on this step's items.
        loss: f64,
        /// Its parts, unweighted.
        losses: Losses,
        /// Learning rate of the step.
        learning_rate: f64,
        /// L2 norm of the gradient before clipping.
        grad_norm: f64,
        /// Number of tokens since training began, over all epochs.
        tokens: u64,
        /// Tokens per second in this step.
        tokens_per_second: f64,
        /// Seconds since 1970-01-01T00:00:00Z.
        time: f64,
    },
    /// An evaluation on the held-out items.
    Evaluation {
        /// Optimiser steps done.
        step: usize,
        /// Passes over the training set done, as a fraction.
        epoch: f64,
        /// The objective on all held-out items.
        loss: f64,
        /// Its parts, unweighted, and what else was measured.
        losses: Losses,
        /// Intervals of measures of what the model wrote.
        #[serde(default, skip_serializing_if = "Intervals::is_empty")]
        intervals: Intervals,
        /// Seconds since 1970-01-01T00:00:00Z.
        time: f64,
    },
}

impl Metric {
    /// Number of optimiser steps before the measurement.
    pub fn step(&self) -> usize {
        match self {
            Metric::Train { step, .. } | Metric::Evaluation { step, .. } => *step,
        }
    }

    /// Time of the measurement, in seconds since 1970-01-01T00:00:00Z.
    pub fn time(&self) -> f64 {
        match self {
            Metric::Train { time, .. } | Metric::Evaluation { time, .. } => *time,
        }
    }

    /// The measurements in `metrics.jsonl` of `folder`; none if the file does not exist.
    ///
    /// Lines that do not parse are skipped, since a killed process leaves an incomplete one.
    pub fn read_all(folder: &Path) -> Result<Vec<Metric>, ArtefactError> {
        let path = folder.join(METRICS_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ArtefactError::io("read", &path)(error)),
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}

/// The loss on the held-out items.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeldOutLoss {
    /// The objective, which early stopping compares.
    pub loss: f64,
    /// Its parts, unweighted, and what else was measured.
    pub losses: Losses,
    /// Intervals of measures of what the model wrote.
    #[serde(default, skip_serializing_if = "Intervals::is_empty")]
    pub intervals: Intervals,
}

/// Summary of a finished training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSummary {
    /// Optimiser steps done.
    pub steps: usize,
    /// Number of planned optimiser steps; more than `steps` if training stopped early.
    pub planned_steps: usize,
    /// Passes over the training set done, as a fraction.
    pub epochs: f64,
    /// Step of the exported parameters.
    pub best_step: usize,
    /// Held-out loss of the base model; `None` without held-out examples.
    pub before: Option<HeldOutLoss>,
    /// Held-out loss of the exported parameters.
    pub after: Option<HeldOutLoss>,
    /// Share of the change by training that was exported, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<f64>,
    /// Number of training examples.
    pub training_examples: usize,
    /// Number of held-out examples.
    pub held_out_examples: usize,
    /// Number of training examples dropped as too long.
    pub dropped_examples: usize,
    /// Number of training examples with truncated answers.
    pub truncated_examples: usize,
    /// Number of trainable parameters.
    pub trainable_parameters: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Number of tokens, over all epochs.
    pub tokens: u64,
    /// Seconds of training, including evaluations, over all resumed parts.
    pub seconds: f64,
    /// `tokens / seconds`.
    pub tokens_per_second: f64,
    /// Warnings before training.
    pub warnings: Vec<String>,
}

/// Results in the manifest of a finished training. The files of the manifest are those of the
/// exported model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainRecord {
    /// The summary.
    pub summary: TrainSummary,
    /// The form of the exported model.
    pub export: Export,
}

/// The form of an exported model, which does not affect what was learnt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Number format of the weights.
    pub precision: String,
    /// Whether the model was also exported with its adapter merged.
    pub merged: bool,
    /// The share of the change by training that was asked for, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpolate: Option<String>,
}

impl Export {
    /// The key of the model that a training with the key `training` exports in this form.
    pub fn model_key(&self, training: &Key) -> Key {
        Key::of(&("model", training, self))
    }
}

impl fmt::Display for TrainSummary {
    /// One line: steps, held-out loss before and after, speed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps over {:.1} epochs", self.steps, self.epochs)?;
        if self.steps < self.planned_steps {
            write!(f, " (stopped early, {} were planned)", self.planned_steps)?;
        }
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            write!(
                f,
                ", held-out loss {:.3} → {:.3} at step {}",
                before.loss, after.loss, self.best_step
            )?;
        }
        if let Some(share) = self.interpolation {
            write!(f, " and {:.0} % of the change", 100.0 * share)?;
        }
        write!(f, ", {:.0} tokens/s", self.tokens_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_line_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Metric::read_all(folder.path()).unwrap(), []);
        let metric = |step| Metric::Evaluation {
            step,
            epoch: 0.5,
            loss: 2.0,
            losses: Losses::from([("mt".to_owned(), 2.5)]),
            intervals: Intervals::new(),
            time: 10.0,
        };
        let line = |step| serde_json::to_vec(&metric(step)).unwrap();
        let lines = [&line(1)[..], b"\xff garbage", &line(2)[..], &line(3)[..9]];
        fs::write(folder.path().join(METRICS_FILE), lines.join(&b'\n')).unwrap();
        let expected = [metric(1), metric(2)];
        assert_eq!(Metric::read_all(folder.path()).unwrap(), expected);
        let json = String::from_utf8(line(1)).unwrap();
        let known = "{\"event\":\"evaluation\",\"step\":1,\"epoch\":0.5,\"loss\":2.0,\
                     \"losses\":{\"mt\":2.5},\"time\":10.0}";
        assert_eq!(json, known);
    }
}
