//! The report of a run: what went in, what was kept, how it was learnt, what came of it.
//!
//! [`Report::gather`] reads a run folder: the stages' manifests and rejected rows, the training
//! metrics, the evaluations before and after. Whatever is not there yet is left out, so that a
//! report can be made of a run at any point. [`Report::write`] puts `report.json` and a
//! self-contained `report.html` beside them; [`terminal::render`] is the table on a terminal.

pub mod answers;
pub mod funnel;
pub mod html;
pub mod scores;
pub mod terminal;
mod titles;
pub mod training;

use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::seam::EngineIdentity;
use serde::{Deserialize, Serialize};

pub use answers::{LanguageVerdicts, SampleAnswers};
pub use funnel::FunnelStage;
pub use scores::{ScoreRow, Verdict};
pub use training::TrainingSummary;

use crate::results::Results;

/// Everything that the report shows; the content of `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the run: its folder's.
    pub name: String,
    /// Version of xldistill that made the report.
    pub version: String,
    /// When the run's newest part was finished, in seconds since 1970; the report of an unchanged
    /// run is the same to the byte.
    pub finished_at: u64,
    /// The model that was taught, as the user named it.
    pub model: Option<String>,
    /// The language that the model is strong in.
    pub source: Option<Language>,
    /// The languages that it was taught, as far as they were evaluated.
    pub targets: Vec<Language>,
    /// Scores before and after.
    pub scores: Vec<ScoreRow>,
    /// What became of the answers, per language of the questions.
    pub answers: Vec<LanguageVerdicts>,
    /// Answers side by side.
    pub samples: Vec<SampleAnswers>,
    /// What every stage kept and rejected.
    pub funnel: Vec<FunnelStage>,
    /// How the training went.
    pub training: Option<TrainingSummary>,
    /// Seconds per part of the run, in order.
    pub timing: Vec<Timing>,
    /// The models that took part.
    pub models: Vec<ModelUse>,
    /// `config.toml` of the run.
    pub config: Option<String>,
}

/// Time that one part of the run took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage, `train`, or `evaluate`.
    pub part: String,
    /// Seconds of work.
    pub seconds: f64,
    /// How much work it was.
    pub amount: f64,
    /// What was counted: `rows`, `tokens`, `documents`.
    pub unit: String,
}

/// A model that took part in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelUse {
    /// The parts of the run that used it.
    pub used_by: Vec<String>,
    /// What it is.
    #[serde(flatten)]
    pub identity: EngineIdentity,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder holds nothing of a run.
    #[error("{}: not a run folder: no finished stage, training or evaluation in it", .0.display())]
    NotARun(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl Report {
    /// Reads the run in `folder`.
    pub fn gather(folder: &Path) -> Result<Self, ReportError> {
        let before = Results::read(&folder.join("evaluate/before"));
        let after = Results::read(&folder.join("evaluate/after"));
        let funnel = funnel::gather(folder);
        let training = training::gather(&folder.join("train"));
        let evaluations = [("before", &before), ("after", &after)];
        if funnel.is_empty() && training.is_none() && before.is_none() && after.is_none() {
            return Err(ReportError::NotARun(folder.to_owned()));
        }

        let mut timing: Vec<Timing> = funnel.iter().map(FunnelStage::timing).collect();
        timing.extend(training.as_ref().map(TrainingSummary::timing));
        let mut models = Vec::new();
        for stage in &funnel {
            for engine in &stage.engines {
                note_model(&mut models, &stage.stage, engine);
            }
        }
        let mut finished_at = funnel
            .iter()
            .map(|stage| stage.finished_at)
            .max()
            .unwrap_or(0);
        let source = after
            .as_ref()
            .or(before.as_ref())
            .map(|results| results.xldistill.source);
        let mut targets: Vec<Language> = Vec::new();
        for (which, results) in evaluations {
            let Some(results) = results else { continue };
            timing.push(Timing {
                part: format!("evaluate {which}"),
                seconds: results.total_evaluation_time_seconds,
                amount: results
                    .samples
                    .values()
                    .map(|count| count.effective as f64)
                    .sum(),
                unit: "documents".to_owned(),
            });
            note_model(
                &mut models,
                &format!("evaluate {which}"),
                &results.xldistill.model,
            );
            note_model(&mut models, "evaluate", &results.xldistill.identifier);
            finished_at = finished_at.max(results.end_time as u64);
            targets.extend(results.xldistill.tasks.values().map(|task| task.language));
        }
        targets.sort();
        targets.dedup();
        targets.retain(|&language| Some(language) != source);

        let samples = |which: &str, task: &str| {
            let path = folder
                .join("evaluate")
                .join(which)
                .join(Results::samples_file(task));
            crate::suite::read_samples(&path)
        };
        let config = std::fs::read_to_string(folder.join("config.toml")).ok();
        let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Ok(Self {
            name: canonical
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            finished_at,
            model: before.as_ref().map(|results| results.model_name.clone()),
            source,
            targets,
            scores: scores::gather(before.as_ref(), after.as_ref(), &samples),
            answers: answers::verdicts(before.as_ref(), after.as_ref()),
            samples: answers::side_by_side(before.as_ref(), after.as_ref(), &samples),
            funnel,
            training,
            timing,
            models,
            config,
        })
    }

    /// Writes `report.json` and `report.html` to `folder`; returns the path of the page.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let put = |name: &str, content: String| {
            let path = folder.join(name);
            match crate::suite::replace(&path, content.as_bytes()) {
                Ok(()) => Ok(path),
                Err(source) => Err(ReportError::Io { path, source }),
            }
        };
        let json = serde_json::to_string_pretty(self).map_err(|error| ReportError::Io {
            path: folder.join("report.json"),
            source: error.into(),
        })?;
        put("report.json", json + "\n")?;
        put("report.html", html::page(self))
    }

    /// Seconds of work of all parts.
    pub fn seconds(&self) -> f64 {
        self.timing.iter().map(|timing| timing.seconds).sum()
    }
}

fn note_model(models: &mut Vec<ModelUse>, part: &str, identity: &EngineIdentity) {
    let same = |known: &&mut ModelUse| {
        let known = &known.identity;
        known.engine == identity.engine
            && known.model == identity.model
            && known.revision == identity.revision
    };
    match models.iter_mut().find(same) {
        Some(known) if known.used_by.iter().any(|other| other == part) => {}
        Some(known) => known.used_by.push(part.to_owned()),
        None => {
            models.push(ModelUse {
                used_by: vec![part.to_owned()],
                identity: identity.clone(),
            });
        }
    }
}
