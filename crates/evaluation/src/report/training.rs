//! How the training went, from `train/metrics.jsonl` and, once it has finished,
//! `train/manifest.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Timing;

/// The training in numbers and curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Optimiser steps done.
    pub steps: u64,
    /// Passes over the training set.
    pub epochs: f64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Tokens a second, the median over the steps.
    pub tokens_per_second: f64,
    /// Seconds spent in steps.
    pub seconds: f64,
    /// Held-out loss at the first evaluation.
    pub first_held_out_loss: Option<f64>,
    /// The lowest held-out loss and its step.
    pub best_held_out_loss: Option<(u64, f64)>,
    /// What is known only once the training has finished.
    pub finished: Option<FinishedTraining>,
    /// Training loss per subset, and `all` for the objective.
    pub train: BTreeMap<String, Vec<(u64, f64)>>,
    /// Held-out loss per subset, and `all` for the objective.
    pub held_out: BTreeMap<String, Vec<(u64, f64)>>,
}

/// What a finished training says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedTraining {
    /// Optimiser steps that were planned; more than were done where training ended early.
    pub planned_steps: u64,
    /// Step of the exported parameters.
    pub best_step: u64,
    /// Examples trained on.
    pub training_examples: u64,
    /// Examples held out.
    pub held_out_examples: u64,
    /// Training examples left out for their length.
    #[serde(default)]
    pub dropped_examples: u64,
    /// Training examples whose answers were cut.
    #[serde(default)]
    pub truncated_examples: u64,
    /// Parameters trained, in scalars.
    pub trainable_parameters: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Seconds of training, evaluations included.
    pub seconds: f64,
    /// What was found suspicious before training.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When it ended, in seconds since 1970.
    #[serde(default)]
    pub finished_at: f64,
}

/// The part of `train/manifest.json` that is shown.
#[derive(Deserialize)]
struct TrainManifest {
    summary: FinishedTraining,
    finished_at: f64,
}

/// Name of the curve of the whole objective.
pub const ALL: &str = "all";

/// The parts of a line of `metrics.jsonl` that are shown.
#[derive(Deserialize)]
struct Measurement {
    event: Event,
    step: u64,
    epoch: f64,
    loss: f64,
    #[serde(default)]
    losses: BTreeMap<String, f64>,
    #[serde(default)]
    tokens: u64,
    #[serde(default)]
    tokens_per_second: f64,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Event {
    Train,
    Evaluation,
    #[serde(other)]
    Other,
}

impl TrainingSummary {
    pub(super) fn timing(&self) -> Timing {
        Timing {
            part: "train".to_owned(),
            seconds: self
                .finished
                .as_ref()
                .map_or(self.seconds, |finished| finished.seconds),
            amount: self.tokens as f64,
            unit: "tokens".to_owned(),
        }
    }
}

/// Reads the metrics in `folder`; `None` where no step was logged.
pub(super) fn gather(folder: &Path) -> Option<TrainingSummary> {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).ok()?;
    let measurements = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut summary = summarise(measurements)?;
    summary.finished = std::fs::read(folder.join("manifest.json"))
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .map(
            |TrainManifest {
                 summary,
                 finished_at,
             }| FinishedTraining {
                finished_at,
                ..summary
            },
        );
    Some(summary)
}

fn summarise(measurements: impl Iterator<Item = Measurement>) -> Option<TrainingSummary> {
    let mut summary = TrainingSummary {
        steps: 0,
        epochs: 0.0,
        tokens: 0,
        tokens_per_second: 0.0,
        seconds: 0.0,
        first_held_out_loss: None,
        best_held_out_loss: None,
        finished: None,
        train: BTreeMap::new(),
        held_out: BTreeMap::new(),
    };
    let mut speeds = Vec::new();
    for measurement in measurements.filter(|row| row.event != Event::Other && row.loss.is_finite())
    {
        let Measurement { step, loss, .. } = measurement;
        let curves = match measurement.event {
            Event::Train => {
                let before = summary.tokens;
                summary.steps = step;
                summary.epochs = measurement.epoch;
                summary.tokens = measurement.tokens.max(before);
                if measurement.tokens_per_second > 0.0 {
                    let done = summary.tokens.saturating_sub(before) as f64;
                    summary.seconds += done / measurement.tokens_per_second;
                    speeds.push(measurement.tokens_per_second);
                }
                &mut summary.train
            }
            _ => {
                summary.first_held_out_loss.get_or_insert(loss);
                if summary
                    .best_held_out_loss
                    .is_none_or(|(_, best)| loss < best)
                {
                    summary.best_held_out_loss = Some((step, loss));
                }
                &mut summary.held_out
            }
        };
        let all = std::iter::once((ALL.to_owned(), loss));
        for (subset, loss) in all.chain(measurement.losses) {
            curves.entry(subset).or_default().push((step, loss));
        }
    }
    speeds.sort_by(f64::total_cmp);
    summary.tokens_per_second = speeds.get(speeds.len() / 2).copied().unwrap_or(0.0);
    (!summary.train.is_empty() || !summary.held_out.is_empty()).then_some(summary)
}
