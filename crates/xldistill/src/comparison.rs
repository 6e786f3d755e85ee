//! `[evaluate]` of the systems that classify: contenders on the test files of the tasks, side by
//! side.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use artefacts::Key;
use corpus::labelled::TaskData;
use corpus::language::Language;
use engines::local_classifier::{LocalClassifier, LocalClassifierConfig};
use evaluation::classification::{
    self, ACCURACY, ClassificationConfig, ClassificationResults, Contender, TaskTest,
};
use evaluation::significance::Resampling;
use kernels::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::system::SystemConfig;
use crate::tasks::{self, Tasks};

/// `[evaluate]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Number format of the models' weights.
    pub precision: Precision,
    /// Number of rows classified between two writes.
    pub batch_size: usize,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            batch_size: 128,
        }
    }
}

impl Evaluate {
    /// Checks the values.
    pub fn validate(&self) -> Result<(), String> {
        match self.batch_size {
            0 => Err("evaluate.batch_size: must be at least 1".into()),
            _ => Ok(()),
        }
    }
}

impl Evaluate {
    /// The classifier in the model directory at `path`.
    pub fn open(&self, path: &Path, device: models::ComputeDevice) -> Result<LocalClassifier> {
        let config = LocalClassifierConfig {
            precision: self.precision,
        };
        Ok(config.open(path, device)?)
    }
}

/// Name of the stage that evaluates.
pub const NAME: &str = "evaluate";

/// Has `contenders` classify the test files of all tasks, and sums up the first one's accuracies.
/// `title` describes the evaluated model.
pub fn evaluate<C: SystemConfig>(
    run: &Run<'_, C>,
    settings: &Evaluate,
    title: String,
    contenders: Vec<Contender<'_>>,
    configs: &Tasks,
    data: &Data,
    folder: &Path,
) -> Result<String> {
    let mut sets = Vec::new();
    for (name, data) in data {
        for leak in tasks::leaks(data) {
            run.progress.note(&format!("warning: tasks.{name}: {leak}"));
        }
        let task = &configs[name];
        let set = task.test_data.as_ref().or(task.data.as_ref());
        let set = set.unwrap_or(name);
        let source = source(data);
        let tests = data.tests.iter();
        sets.extend(tests.map(|test| TaskTest::new(name, set, source, test)));
    }
    let config = ClassificationConfig {
        title,
        batch_size: settings.batch_size,
        resampling: Resampling::default(),
    };
    let results = classification::evaluate(contenders, &sets, &config, folder, run.progress)?;
    let first = results.systems.first().map(|system| &system.name);
    let scores = results.sets.iter().filter_map(|set| {
        let scores = set.systems.get(first?)?;
        let accuracy = scores.measure(ACCURACY)?.score;
        Some(format!("{} {:.1} %", set.language.code, 100.0 * accuracy))
    });
    let scores: Vec<String> = scores.collect();
    Ok(format!("accuracy: {}", scores.join(", ")))
}

/// What the stage leaves in `folder` if no task has test files: not the results of test files that the
/// config named before. Returns a summary.
pub fn nothing(folder: &Path) -> Result<String> {
    artefacts::remove(&folder.join(ClassificationResults::FILE))?;
    Ok("nothing, since no task has test files".to_owned())
}

/// The rows of each task.
pub type Data = BTreeMap<String, TaskData>;

/// Hash of the test rows of all tasks.
pub fn key(data: &Data) -> String {
    let tests = data.iter().map(|(name, data)| {
        let sets = data.tests.iter();
        let sets = sets.map(|test| (&test.language.code, &test.set.labels, &test.set.rows));
        (name, sets.collect::<Vec<_>>())
    });
    Key::of(&tests.collect::<Vec<_>>()).to_string()
}

/// The language of a task's training data.
pub fn source(data: &TaskData) -> Language {
    data.language.source.unwrap_or(Language::ENGLISH)
}
