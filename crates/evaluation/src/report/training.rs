//! The course of a training, from its `metrics.jsonl` and, of fine-tuning, its `manifest.json`.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::training::{Interval, Metric, Quantity, TrainRecord, TrainSummary};
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
    /// What was measured beside losses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<MeasuredCurves>,
}

/// The course of a training in a folder of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecipeTraining {
    /// Its folder within the run, in words.
    pub title: String,
    /// Numbers and curves.
    pub course: TrainingSummary,
}

/// The curves of a quantity that is measured in training beside losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredCurves {
    /// Its title.
    pub title: String,
    /// Its unit.
    pub unit: String,
    /// Curves during training by what was measured, e.g. a task or language; `all` for the whole.
    pub train: BTreeMap<String, Vec<(u64, f64)>>,
    /// Curves on held-out items.
    pub held_out: BTreeMap<String, Vec<(u64, f64)>>,
    /// 95 % intervals of some of the latter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, Vec<(u64, Interval)>>,
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

/// Owner of a part that is no loss, and its place among the quantities.
fn measure(part: &str) -> Option<(&str, usize)> {
    let (owner, quantity) = Quantity::of(part)?;
    let place = Quantity::ALL.iter().position(|known| *known == quantity)?;
    Some((owner.unwrap_or(ALL), place))
}

/// Depth of folders in which trainings are looked for.
const DEPTH: usize = 3;

impl TrainingSummary {
    pub(super) fn timing(&self, part: &str) -> Timing {
        Timing {
            part: part.to_owned(),
            seconds: self
                .finished
                .as_ref()
                .map_or(self.seconds, |finished| finished.summary.seconds),
            amount: self.tokens as f64,
            unit: "tokens".to_owned(),
        }
    }
}

/// The trainings in folders of the run other than `train`, in the order of their first steps.
pub(super) fn gather_recipes(run: &Path) -> Vec<RecipeTraining> {
    let (mut found, mut open) = (Vec::new(), vec![(run.to_owned(), 0)]);
    while let Some((folder, depth)) = open.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir());
        for folder in folders {
            let name = folder.strip_prefix(run).unwrap_or(&folder);
            if name == Path::new("train") {
                continue;
            }
            let metrics = Metric::read_all(&folder).unwrap_or_default();
            if let Some(course) = summarise(&metrics) {
                let title = name.to_string_lossy().replace('/', ", ");
                let began = metrics.first().map_or(0.0, Metric::time);
                found.push((began, RecipeTraining { title, course }));
            }
            if depth + 1 < DEPTH {
                open.push((folder, depth + 1));
            }
        }
    }
    found.sort_by(|(one, left), (other, right)| {
        one.total_cmp(other)
            .then_with(|| left.title.cmp(&right.title))
    });
    found.into_iter().map(|(_, training)| training).collect()
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
        measured: Vec::new(),
    };
    let mut measured = Quantity::ALL.map(|quantity| MeasuredCurves {
        title: quantity.title.to_owned(),
        unit: quantity.unit.to_owned(),
        train: BTreeMap::new(),
        held_out: BTreeMap::new(),
        intervals: BTreeMap::new(),
    });
    let mut speeds = Vec::new();
    for measurement in measurements {
        let step = measurement.step() as u64;
        let is_step = matches!(measurement, Metric::Train { .. });
        let (loss, losses, curves, intervals) = match measurement {
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
                (*loss, losses, &mut summary.train, None)
            }
            Metric::Evaluation {
                loss,
                losses,
                intervals,
                ..
            } if loss.is_finite() => {
                summary.first_held_out_loss.get_or_insert(*loss);
                let best = summary.best_held_out_loss;
                if best.is_none_or(|(_, best)| *loss < best) {
                    summary.best_held_out_loss = Some((step, *loss));
                }
                (*loss, losses, &mut summary.held_out, Some(intervals))
            }
            _ => continue,
        };
        let parts = losses.iter().map(|(name, loss)| (name.as_str(), *loss));
        for (name, value) in std::iter::once((ALL, loss)).chain(parts) {
            let (curves, name) = match measure(name) {
                None => (&mut *curves, name),
                Some((owner, place)) if is_step => (&mut measured[place].train, owner),
                Some((owner, place)) => (&mut measured[place].held_out, owner),
            };
            let curve = curves.entry(name.to_owned()).or_default();
            curve.push((step, value));
        }
        for (name, interval) in intervals.into_iter().flatten() {
            if let Some((owner, place)) = measure(name) {
                let curves = &mut measured[place].intervals;
                let curve = curves.entry(owner.to_owned()).or_default();
                curve.push((step, *interval));
            }
        }
    }
    let is_there =
        |curves: &MeasuredCurves| !curves.train.is_empty() || !curves.held_out.is_empty();
    summary.measured = measured.into_iter().filter(is_there).collect();
    speeds.sort_by(f64::total_cmp);
    summary.tokens_per_second = speeds.get(speeds.len() / 2).copied().unwrap_or(0.0);
    (!summary.train.is_empty() || !summary.held_out.is_empty()).then_some(summary)
}
