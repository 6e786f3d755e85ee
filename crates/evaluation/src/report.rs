//! The report of a run: rows kept and rejected, training, scores before and after.
//!
//! [`Report::gather`] reads a run's folder: manifests and rejected rows of the stages, training
//! metrics, both evaluations of an LLM, and that of classifiers. Missing parts are left out, so a report can be written at any
//! point of a run. [`Report::write`] writes `report.json` and a self-contained `report.html`;
//! [`terminal::render`] returns a table for the terminal.

pub mod answers;
mod classification;
pub mod cost;
mod evaluations;
pub mod funnel;
pub mod html;
pub mod paths;
pub mod scores;
pub mod terminal;
mod text_table;
mod titles;
pub mod training;
pub mod verdict;

use std::path::{Path, PathBuf};

use artefacts::{ArtefactError, Key};
use corpus::language::Language;
use corpus::seam::EngineIdentity;
use serde::{Deserialize, Serialize};

pub use answers::{LanguageVerdicts, SampleAnswers};
pub use cost::Cost;
use evaluations::Evaluations;
pub use funnel::FunnelStage;
pub use scores::{ScoreRow, Verdict};
pub use titles::score;
pub use training::{RecipeTraining, TrainingSummary};
pub use verdict::RunVerdict;

use crate::classification::ClassificationResults;
use crate::results::Results;
use crate::significance::Resampling;

/// The files of a report.
const JSON: &str = "report.json";
const PAGE: &str = "report.html";

/// The content of `report.json`, which is all that the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the run's folder.
    pub name: String,
    /// Version of xldistill that wrote the report.
    pub version: String,
    /// When the newest part of the run ended, in seconds since 1970. The report of an unchanged run
    /// never changes by a byte.
    pub finished_at: u64,
    /// The fine-tuned model, as the user named it.
    pub model: Option<String>,
    /// The language the model is strong in.
    pub source: Option<Language>,
    /// The evaluated languages besides the source.
    pub targets: Vec<Language>,
    /// What got better, what got worse and what to do; `None` if nothing can be compared yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RunVerdict>,
    /// Scores before and after, and those of each system on labelled test sets.
    pub scores: Vec<ScoreRow>,
    /// Systems on labelled test sets, language by language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<ClassificationResults>,
    /// Verdicts on answers, by language of the questions.
    pub answers: Vec<LanguageVerdicts>,
    /// Sample answers, side by side.
    pub samples: Vec<SampleAnswers>,
    /// Rows kept and rejected by each stage.
    pub funnel: Vec<FunnelStage>,
    /// The course of fine-tuning.
    pub training: Option<TrainingSummary>,
    /// The course of other trainings, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trainings: Vec<RecipeTraining>,
    /// Memory and machine; `None` if the run did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Time of each part of the run, in order.
    pub timing: Vec<Timing>,
    /// The models used.
    pub models: Vec<ModelUse>,
    /// The run's `config.toml`.
    pub config: Option<String>,
}

/// Time of a part of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage, `train`, or `evaluate`.
    pub part: String,
    /// Seconds of work.
    pub seconds: f64,
    /// Amount of work.
    pub amount: f64,
    /// Its unit: `rows`, `tokens`, `documents`.
    pub unit: String,
}

/// A model that the run used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelUse {
    /// The parts of the run that used it.
    pub used_by: Vec<String>,
    /// The model.
    #[serde(flatten)]
    pub identity: EngineIdentity,
}

/// Error returned when there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder contains no part of a run.
    #[error("{}: not a run folder: no finished stage, training or evaluation in it", .0.display())]
    NotARun(PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

impl Report {
    /// Reads the run in `folder`.
    pub fn gather(folder: &Path) -> Result<Self, ReportError> {
        let before = Results::read(&folder.join("evaluate/before"));
        let after = Results::read(&folder.join("evaluate/after"));
        let funnel = funnel::gather(folder);
        let training = training::gather(&folder.join("train"));
        let trainings = training::gather_recipes(folder);
        let mut classification = ClassificationResults::read(&folder.join("evaluate"));
        // Evaluations of earlier versions have none.
        if let Some(results) = classification.as_mut().filter(|one| one.means.is_empty()) {
            results.find_means(&folder.join("evaluate"), &Resampling::default());
        }
        let nothing_trained = training.is_none() && trainings.is_empty();
        let nothing_scored = before.is_none() && after.is_none() && classification.is_none();
        if funnel.is_empty() && nothing_trained && nothing_scored {
            return Err(ReportError::NotARun(folder.to_owned()));
        }

        let mut timing: Vec<Timing> = funnel.iter().map(FunnelStage::timing).collect();
        timing.extend(training.as_ref().map(|training| training.timing("train")));
        let of_recipes = trainings.iter();
        timing.extend(of_recipes.map(|training| training.course.timing(&training.title)));
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
        for (which, results) in [("before", &before), ("after", &after)] {
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
            let judges = std::iter::once(&results.xldistill.identifier);
            for judge in judges.chain(&results.xldistill.metric) {
                note_model(&mut models, "evaluate", judge);
            }
            finished_at = finished_at.max(results.end_time as u64);
        }
        if let Some(results) = &classification {
            note_classification(results, &mut timing, &mut models);
            finished_at = finished_at.max(results.finished_at as u64);
        }
        let evaluations = Evaluations {
            before: before.as_ref(),
            after: after.as_ref(),
            folder: folder.join("evaluate"),
        };
        let config = std::fs::read_to_string(folder.join("config.toml")).ok();
        let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mut report = Self {
            name: canonical
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            finished_at,
            model: before.as_ref().map(|results| results.model_name.clone()),
            source: evaluations
                .source()
                .or(classification.as_ref().map(|results| results.source)),
            targets: evaluations.targets(),
            verdict: None,
            scores: [
                scores::gather(&evaluations),
                classification
                    .as_ref()
                    .map_or_else(Vec::new, classification::scores),
            ]
            .concat(),
            classification,
            answers: answers::verdicts(&evaluations),
            samples: answers::side_by_side(&evaluations),
            funnel,
            training,
            trainings,
            cost: Cost::read(folder),
            timing,
            models,
            config,
        };
        report.verdict = verdict::of(&report);
        Ok(report)
    }

    /// The content of `report.json`.
    fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data") + "\n"
    }

    /// The key of the report: a hash of its content.
    pub fn key(&self) -> Key {
        Key::of(&self.json())
    }

    /// The key of the report in `folder`; `None` if there is none.
    pub fn key_of(folder: &Path) -> Option<Key> {
        let json = std::fs::read_to_string(folder.join(JSON)).ok()?;
        folder.join(PAGE).exists().then(|| Key::of(&json))
    }

    /// Writes `report.json` and `report.html` to `folder`; returns the path of the latter.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        artefacts::write(&folder.join(JSON), self.json().as_bytes())?;
        let page = folder.join(PAGE);
        artefacts::write(&page, html::page(self).as_bytes())?;
        Ok(page)
    }

    /// The scores to show before and after training.
    pub fn before_and_after(&self) -> impl Iterator<Item = &ScoreRow> {
        let shown = |row: &&ScoreRow| row.system.is_none() && !row.is_nothing();
        self.scores.iter().filter(shown)
    }

    /// Seconds of work on all parts.
    pub fn seconds(&self) -> f64 {
        self.timing.iter().map(|timing| timing.seconds).sum()
    }
}

/// Adds the time and the models of an evaluation of classifiers.
fn note_classification(
    results: &ClassificationResults,
    timing: &mut Vec<Timing>,
    models: &mut Vec<ModelUse>,
) {
    let rows = results.sets.iter().map(|set| set.rows * set.systems.len());
    timing.push(Timing {
        part: "evaluate".to_owned(),
        seconds: results.seconds(),
        amount: rows.sum::<usize>() as f64,
        unit: "rows".to_owned(),
    });
    for system in &results.systems {
        for engine in &system.engines {
            note_model(models, &format!("evaluate {}", system.name), engine);
        }
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
