//! What a run tells while it trains: `metrics.jsonl`, one object a line, and TensorBoard events.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use corpus::record::Subset;
use serde::{Deserialize, Serialize};

use crate::tensorboard::EventWriter;

/// Name of the metrics file in the run's `train/` folder.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// Mean loss of each subset, in nats per answer token.
pub type SubsetLosses = BTreeMap<Subset, f64>;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Metric {
    /// One optimiser step.
    Train {
        /// Optimiser steps done, this one included.
        step: usize,
        /// Passes over the training set done, as a fraction.
        epoch: f64,
        /// The weighted loss of section 3.2.5 on this step's examples.
        loss: f64,
        /// Unweighted loss of each subset among them.
        losses: SubsetLosses,
        /// Learning rate of the step.
        learning_rate: f64,
        /// L2 norm of the gradient before clipping.
        grad_norm: f64,
        /// Tokens that went through the model since training began, over all epochs.
        tokens: u64,
        /// Tokens a second in this step.
        tokens_per_second: f64,
        /// Seconds since the Unix epoch.
        time: f64,
    },
    /// One evaluation on the held-out examples.
    Evaluation {
        /// Optimiser steps done.
        step: usize,
        /// Passes over the training set done, as a fraction.
        epoch: f64,
        /// The weighted loss over all held-out examples.
        loss: f64,
        /// Unweighted held-out loss of each subset.
        losses: SubsetLosses,
        /// Seconds since the Unix epoch.
        time: f64,
    },
}

impl Metric {
    /// Optimiser steps done when it was measured.
    pub fn step(&self) -> usize {
        match self {
            Metric::Train { step, .. } | Metric::Evaluation { step, .. } => *step,
        }
    }

    /// Names as Hugging Face's trainers log them, with one curve per subset beside the total.
    fn scalars(&self) -> (f64, Vec<(String, f64)>) {
        let per_subset = |prefix: &'static str, losses: &SubsetLosses| -> Vec<(String, f64)> {
            losses
                .iter()
                .map(|(d, loss)| (format!("{prefix}/loss/{}", d.name()), *loss))
                .collect()
        };
        match self {
            Metric::Train {
                loss,
                losses,
                learning_rate,
                grad_norm,
                tokens,
                epoch,
                time,
                ..
            } => {
                let mut values = vec![
                    ("train/loss".to_string(), *loss),
                    ("train/learning_rate".to_string(), *learning_rate),
                    ("train/grad_norm".to_string(), *grad_norm),
                    ("train/num_tokens".to_string(), *tokens as f64),
                    ("train/epoch".to_string(), *epoch),
                ];
                values.extend(per_subset("train", losses));
                (*time, values)
            }
            Metric::Evaluation {
                loss, losses, time, ..
            } => {
                let mut values = vec![("eval/loss".to_string(), *loss)];
                values.extend(per_subset("eval", losses));
                (*time, values)
            }
        }
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// The metrics of one run, on disk after every call.
pub struct MetricsLog {
    lines: File,
    events: EventWriter,
}

impl MetricsLog {
    /// Opens the log in `folder` for a run that goes on after `steps_done` optimiser steps.
    ///
    /// Steps that a killed run had logged beyond its last checkpoint are forgotten, since they
    /// will be done again. The event file is written anew from what remains.
    pub fn open(folder: &Path, steps_done: usize) -> io::Result<Self> {
        let path = folder.join(METRICS_FILE);
        let kept: Vec<Metric> = read(&path)?
            .into_iter()
            .filter(|metric| metric.step() <= steps_done)
            .collect();
        remove_event_files(folder)?;
        let started = kept.first().map_or_else(now, |metric| metric.scalars().0);
        let name = format!("events.out.tfevents.{}.xldistill", started as u64);
        let mut events = EventWriter::create(&folder.join(name), started)?;
        let mut text = String::new();
        for metric in &kept {
            text += &line(metric)?;
            write_event(&mut events, metric)?;
        }
        events.flush()?;
        fs::write(&path, text)?;
        let lines = OpenOptions::new().append(true).open(&path)?;
        Ok(Self { lines, events })
    }

    /// Appends one measurement.
    pub fn append(&mut self, metric: &Metric) -> io::Result<()> {
        self.lines.write_all(line(metric)?.as_bytes())?;
        write_event(&mut self.events, metric)?;
        self.events.flush()
    }
}

/// The measurements in a `metrics.jsonl`; none if the file does not exist. A last line torn by a
/// kill is left out.
pub fn read(path: &Path) -> io::Result<Vec<Metric>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(text
        .lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect())
}

fn line(metric: &Metric) -> io::Result<String> {
    Ok(serde_json::to_string(metric)? + "\n")
}

fn write_event(events: &mut EventWriter, metric: &Metric) -> io::Result<()> {
    let (time, values) = metric.scalars();
    let values = values.iter().map(|(tag, value)| (tag.as_str(), *value));
    events.scalars(time, metric.step(), values)
}

fn remove_event_files(folder: &Path) -> io::Result<()> {
    let is_event_file = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().contains("tfevents"))
    };
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries
        .into_iter()
        .map(|e| e.path())
        .filter(is_event_file)
        .try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize) -> Metric {
        let losses = SubsetLosses::from([(Subset::LL, 1.5), (Subset::Mt, 2.5)]);
        Metric::Evaluation {
            step,
            epoch: 0.5,
            loss: 2.0,
            losses,
            time: 10.0,
        }
    }

    #[test]
    fn a_resumed_log_forgets_what_will_be_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = MetricsLog::open(folder.path(), 0).unwrap();
        (1..=3).for_each(|step| log.append(&evaluation(step)).unwrap());
        drop(log);
        let path = folder.path().join(METRICS_FILE);
        let torn = fs::read_to_string(&path).unwrap() + "{\"event\":\"eval";
        fs::write(&path, torn).unwrap();

        let mut log = MetricsLog::open(folder.path(), 2).unwrap();
        log.append(&evaluation(5)).unwrap();
        let steps: Vec<usize> = read(&path).unwrap().iter().map(Metric::step).collect();
        assert_eq!(steps, [1, 2, 5]);
        let event_files = fs::read_dir(folder.path()).unwrap().count() - 1;
        assert_eq!(event_files, 1);
    }

    #[test]
    fn subsets_are_named_as_in_the_paper() {
        let (_, values) = evaluation(1).scalars();
        let tags: Vec<&str> = values.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(tags, ["eval/loss", "eval/loss/LL", "eval/loss/mt"]);
    }
}
