//! The course of training, from `train/metrics.jsonl` and, once finished, `train/manifest.json`.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::training::{Metric, TrainRecord, TrainSummary};
use artefacts::{MANIFEST_FILE, Manifest};
use serde::{Deserialize, Serialize};

use super::Timing;

/// Numbers and curves of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Number of optimiser steps.
    pub steps: u64,
    /// Number of epochs.
    pub epochs: f64,
    /// Number of training tokens.
    pub tokens: u64,
    /// Tokens per second, median over the steps.
    pub tokens_per_second: f64,
    /// Seconds spent in steps.
    pub seconds: f64,
    /// Held-out loss at the first evaluation.
    pub first_held_out_loss: Option<f64>,
    /// Lowest held-out loss and its step.
    pub best_held_out_loss: Option<(u64, f64)>,
    /// Summary of a finished training.
    pub finished: Option<FinishedTraining>,
    /// Training loss by subset; `all` is the objective.
    pub train: BTreeMap<String, Vec<(u64, f64)>>,
    /// Held-out loss by subset; `all` is the objective.
    pub held_out: BTreeMap<String, Vec<(u64, f64)>>,
}

/// A finished training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedTraining {
    /// Its summary.
    #[serde(flatten)]
    pub summary: TrainSummary,
    /// When it ended, in seconds since 1970.
    pub finished_at: f64,
}

/// Name of the curve of the objective.
pub const ALL: &str = "all";

impl TrainingSummary {
    pub(super) fn timing(&self) -> Timing {
        Timing {
            part: "train".to_owned(),
            seconds: self
                .finished
                .as_ref()
                .map_or(self.seconds, |finished| finished.summary.seconds),
            amount: self.tokens as f64,
            unit: "tokens".to_owned(),
        }
    }
}

/// Reads the metrics in `folder`; `None` if no step was logged.
pub(super) fn gather(folder: &Path) -> Option<TrainingSummary> {
    let mut summary = summarise(&Metric::read_all(folder).ok()?)?;
    let manifest = Manifest::<TrainRecord>::read(&folder.join(MANIFEST_FILE));
    summary.finished = manifest.ok().flatten().map(|manifest| FinishedTraining {
        summary: manifest.results.summary,
        finished_at: manifest.finished_at,
    });
    Some(summary)
}

fn summarise(measurements: &[Metric]) -> Option<TrainingSummary> {
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
    for measurement in measurements {
        let step = measurement.step() as u64;
        let (loss, losses, curves) = match measurement {
            Metric::Train {
                epoch,
                loss,
                losses,
                tokens,
                tokens_per_second,
                ..
            } if loss.is_finite() => {
                let before = summary.tokens;
                summary.steps = step;
                summary.epochs = *epoch;
                summary.tokens = before.max(*tokens);
                if *tokens_per_second > 0.0 {
                    summary.seconds += (summary.tokens - before) as f64 / tokens_per_second;
                    speeds.push(*tokens_per_second);
                }
                (*loss, losses, &mut summary.train)
            }
            Metric::Evaluation { loss, losses, .. } if loss.is_finite() => {
                summary.first_held_out_loss.get_or_insert(*loss);
                let best = summary.best_held_out_loss;
                if best.is_none_or(|(_, best)| *loss < best) {
                    summary.best_held_out_loss = Some((step, *loss));
                }
                (*loss, losses, &mut summary.held_out)
            }
            _ => continue,
        };
        let parts = losses.iter().map(|(name, loss)| (name.as_str(), *loss));
        for (name, loss) in std::iter::once((ALL, loss)).chain(parts) {
            curves
                .entry(name.to_owned())
                .or_default()
                .push((step, loss));
        }
    }
    speeds.sort_by(f64::total_cmp);
    summary.tokens_per_second = speeds.get(speeds.len() / 2).copied().unwrap_or(0.0);
    (!summary.train.is_empty() || !summary.held_out.is_empty()).then_some(summary)
}
