//! `classification.json`: all that a report shows of the systems on the test sets.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::ArtefactError;
use corpus::labelled::LabelledInput;
use corpus::language::Language;
use corpus::seam::EngineIdentity;
use serde::{Deserialize, Serialize};

use super::comparison::{Changes, Comparison};
use super::mean::{self, LanguageMean};
use super::prediction::Prediction;
use super::test_set::{TestLanguage, plain};
use super::turn::file;
use crate::results::MeasuredScore;
use crate::row_file;
use crate::significance::Resampling;

/// The content of `classification.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationResults {
    /// Version of xldistill.
    pub version: String,
    /// The evaluated model in a few words, e.g. `SmolLM2-135M on multilingual-e5-small`.
    pub title: String,
    /// The language of the first task's training data.
    pub source: Language,
    /// The systems, in the order of a report.
    pub systems: Vec<SystemRecord>,
    /// The test sets, each in one language.
    pub sets: Vec<SetResult>,
    /// The means over languages, by data set, measure and system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<LanguageMean>,
    /// When the newest part ended, in seconds since 1970.
    pub finished_at: f64,
    /// Whether every system has classified every test set.
    pub complete: bool,
}

/// A system of the evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemRecord {
    /// Its name.
    pub name: String,
    /// Title in the report.
    pub title: String,
    /// Description for the report.
    pub about: String,
    /// Its models.
    pub engines: Vec<EngineIdentity>,
}

/// A test set in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetResult {
    /// The task.
    pub task: String,
    /// Name of the data set.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The language of the task's training data.
    #[serde(default = "english")]
    pub source: Language,
    /// What a row is.
    #[serde(default)]
    pub input: InputKind,
    /// The language.
    pub language: TestLanguage,
    /// The labels, in the order of the confusion; the numbers of the choices for multiple choice.
    pub labels: Vec<String>,
    /// Number of classified rows.
    pub rows: usize,
    /// Number of rows set aside by their label, which the task lacks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_aside: BTreeMap<String, u64>,
    /// Number of rows of the file that could not be used, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<String, u64>,
    /// What guessing achieves.
    pub chance: Chance,
    /// The scores by system.
    pub systems: BTreeMap<String, SystemScores>,
    /// The translations, if a system reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<TranslationRecord>,
    /// The first system against each other one.
    pub comparisons: Vec<Comparison>,
    /// Rows that the first two systems read differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// What earlier versions, which did not write the language, were mostly trained in.
fn english() -> Language {
    Language::ENGLISH
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a row of a test set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// A text.
    #[default]
    Text,
    /// Two texts.
    Pair,
    /// A question with answers to choose from.
    Choices,
}

impl From<&LabelledInput> for InputKind {
    fn from(input: &LabelledInput) -> Self {
        match input {
            LabelledInput::Single { .. } => Self::Text,
            LabelledInput::Pair { .. } => Self::Pair,
            LabelledInput::Choices { .. } => Self::Choices,
        }
    }
}

/// What guessing achieves on the rows of a test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Expected accuracy of drawing each label with the same probability.
    pub uniform: f64,
    /// Accuracy of always saying the most frequent label.
    pub majority: f64,
    /// Macro-F1 of always saying it.
    pub majority_f1: f64,
    /// The most frequent label.
    pub majority_label: String,
}

/// The scores of a system on a test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemScores {
    /// Hash of the model, the rows and everything else that determines the predictions. As long as
    /// it does not change, they are reused.
    pub key: String,
    /// Hash of the file of predictions.
    pub predictions_hash: String,
    /// Seconds of work.
    pub seconds: f64,
    /// Accuracy and macro-F1, from 0 to 1.
    pub measures: Vec<MeasuredScore>,
    /// Number of rows by correct label (outer) and predicted label (inner).
    pub confusion: Vec<Vec<u64>>,
    /// Number of rows that the system cannot read, which count as wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
}

/// The translations of a test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranslationRecord {
    /// Hash of the rows and of everything else that determines the translations.
    pub key: String,
    /// Hash of their file.
    pub hash: String,
    /// The translator.
    pub engine: EngineIdentity,
    /// Number of texts for which nothing came back, which were left as they are.
    pub untranslated: u64,
    /// Seconds of work.
    pub seconds: f64,
}

impl SetResult {
    /// Whether it is in the language of the task's training data.
    pub fn is_of_source(&self) -> bool {
        self.language.is(self.source)
    }

    /// The predictions of a system, in an evaluation's folder; empty unless all are there.
    pub(crate) fn predictions(&self, folder: &Path, system: &str) -> Vec<Prediction> {
        let own = folder.join(plain(&self.task)).join(plain(&self.name));
        let rows: Vec<Prediction> = row_file::read(&file(&own, system, &self.language.code));
        match rows.len() == self.rows {
            true => rows,
            false => Vec::new(),
        }
    }
}

impl SystemScores {
    /// The score called `key`.
    pub fn measure(&self, key: &str) -> Option<&MeasuredScore> {
        self.measures.iter().find(|score| score.measure.key == key)
    }
}

impl ClassificationResults {
    /// Name of the file in an evaluation's folder.
    pub const FILE: &str = "classification.json";

    /// Reads the results in an evaluation's folder; `None` if there are none.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(Self::FILE)).ok()?).ok()
    }

    /// Computes the means over languages from the predictions in an evaluation's folder.
    pub(crate) fn find_means(&mut self, folder: &Path, resampling: &Resampling) {
        self.means = mean::means(&self.sets, &self.systems, folder, resampling);
    }

    /// Writes the results to an evaluation's folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ArtefactError> {
        let mut json = serde_json::to_vec_pretty(self).expect("results are plain data");
        json.push(b'\n');
        artefacts::write(&folder.join(Self::FILE), &json).map(drop)
    }

    /// The result of a test set.
    pub(super) fn set(&self, task: &str, name: &str, language: &str) -> Option<&SetResult> {
        let same = |set: &&SetResult| {
            (
                set.task.as_str(),
                set.name.as_str(),
                set.language.code.as_str(),
            ) == (task, name, language)
        };
        self.sets.iter().find(same)
    }

    /// Seconds of classification and translation.
    pub fn seconds(&self) -> f64 {
        let of_set = |set: &SetResult| {
            let systems: f64 = set.systems.values().map(|scores| scores.seconds).sum();
            systems + set.translation.as_ref().map_or(0.0, |made| made.seconds)
        };
        self.sets.iter().map(of_set).sum()
    }
}
