//! The log of a run: `metrics.jsonl`, one object per line, and the same values as TensorBoard
//! events.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use artefacts::ArtefactError;
use artefacts::training::{Losses, METRICS_FILE, Metric};

use super::tensorboard::EventWriter;

/// The measurements of one run, flushed to disk after every call.
pub struct MetricsLog {
    lines: File,
    events: EventWriter,
    folder: PathBuf,
}

impl MetricsLog {
    /// Opens the log in `folder` for a run that starts, or resumes at a checkpoint after this many
    /// optimiser steps.
    ///
    /// Measurements that will be repeated are removed: those of steps after the checkpoint or,
    /// without a checkpoint, all of them, including the evaluation before the first step. The event
    /// file is rewritten from the rest.
    pub fn open(folder: &Path, checkpoint: Option<usize>) -> Result<Self, ArtefactError> {
        let mut kept = Metric::read_all(folder)?;
        kept.retain(|metric| checkpoint.is_some_and(|steps| metric.step() <= steps));
        let path = folder.join(METRICS_FILE);
        let text: String = kept.iter().map(line).collect();
        artefacts::write(&path, text.as_bytes())?;
        let lines = OpenOptions::new().append(true).open(&path);
        let mut log = Self {
            lines: lines.map_err(ArtefactError::io("open", &path))?,
            events: new_events(folder, &kept)?,
            folder: folder.to_owned(),
        };
        kept.iter().try_for_each(|metric| log.event(metric))?;
        Ok(log)
    }

    /// Appends one measurement.
    pub fn append(&mut self, metric: &Metric) -> Result<(), ArtefactError> {
        let written = self.lines.write_all(line(metric).as_bytes());
        written.map_err(ArtefactError::io("write", &self.folder.join(METRICS_FILE)))?;
        self.event(metric)
    }

    fn event(&mut self, metric: &Metric) -> Result<(), ArtefactError> {
        let (time, values) = scalars(metric);
        let values = values.iter().map(|(tag, value)| (tag.as_str(), *value));
        let written = self.events.scalars(time, metric.step(), values);
        written
            .and_then(|()| self.events.flush())
            .map_err(ArtefactError::io(
                "write TensorBoard events in",
                &self.folder,
            ))
    }
}

fn line(metric: &Metric) -> String {
    serde_json::to_string(metric).expect("a measurement is plain data") + "\n"
}

/// Time and values, named as in Hugging Face's trainers, with one curve per part of the loss in
/// addition to the total.
fn scalars(metric: &Metric) -> (f64, Vec<(String, f64)>) {
    let parts = |prefix: &'static str, losses: &Losses| -> Vec<(String, f64)> {
        let named = |(name, loss): (&String, &f64)| (format!("{prefix}/loss/{name}"), *loss);
        losses.iter().map(named).collect()
    };
    match metric {
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
            values.extend(parts("train", losses));
            (*time, values)
        }
        Metric::Evaluation {
            loss, losses, time, ..
        } => {
            let mut values = vec![("eval/loss".to_string(), *loss)];
            values.extend(parts("eval", losses));
            (*time, values)
        }
    }
}

/// Creates an empty event file, replacing any other in `folder`.
fn new_events(folder: &Path, kept: &[Metric]) -> Result<EventWriter, ArtefactError> {
    let entries = fs::read_dir(folder).map_err(ArtefactError::io("list", folder))?;
    for entry in entries {
        let path = entry.map_err(ArtefactError::io("list", folder))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().contains("tfevents") {
            artefacts::remove(&path)?;
        }
    }
    let started = kept
        .first()
        .map_or_else(artefacts::now, |metric| scalars(metric).0);
    let path = folder.join(format!("events.out.tfevents.{}.xldistill", started as u64));
    EventWriter::create(&path, started).map_err(ArtefactError::io("create", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize) -> Metric {
        Metric::Evaluation {
            step,
            epoch: 0.5,
            loss: 2.0,
            losses: Losses::from([("LL".to_owned(), 1.5), ("mt".to_owned(), 2.5)]),
            intervals: Default::default(),
            time: 10.0,
        }
    }

    fn steps(folder: &Path) -> Vec<usize> {
        let metrics = Metric::read_all(folder).unwrap();
        metrics.iter().map(Metric::step).collect()
    }

    #[test]
    fn a_resumed_log_forgets_what_will_be_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut log = MetricsLog::open(folder, None).unwrap();
        (0..=3).for_each(|step| log.append(&evaluation(step)).unwrap());
        drop(log);
        let path = folder.join(METRICS_FILE);
        let torn = fs::read_to_string(&path).unwrap() + "{\"event\":\"eval";
        fs::write(&path, torn).unwrap();

        let mut log = MetricsLog::open(folder, Some(2)).unwrap();
        log.append(&evaluation(5)).unwrap();
        assert_eq!(steps(folder), [0, 1, 2, 5]);
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(files, 2, "the lines and one event file");
    }

    #[test]
    fn a_run_killed_before_its_first_checkpoint_logs_its_first_evaluation_once() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut log = MetricsLog::open(folder.path(), None).unwrap();
            log.append(&evaluation(0)).unwrap();
        }
        assert_eq!(steps(folder.path()), [0]);
    }

    #[test]
    fn curves_are_called_as_other_trainers_call_them() {
        let (_, values) = scalars(&evaluation(1));
        let tags: Vec<&str> = values.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(tags, ["eval/loss", "eval/loss/LL", "eval/loss/mt"]);
    }
}
