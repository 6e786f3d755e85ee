//! `results.json`: the scores of an evaluation under lm-eval's keys, so that its tools can read
//! them, and under `xldistill` the data needed to compare two models.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::Key;
use corpus::language::Language;
use corpus::seam::EngineIdentity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::rows::SkippedLine;
use crate::significance::Confidence;
use crate::task::{Measure, Presentation};

/// The content of `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Per task: `alias`, and per measure `KEY,none` and `KEY_stderr,none`.
    pub results: BTreeMap<String, Map<String, Value>>,
    /// Tasks by group; always empty.
    #[serde(default)]
    pub group_subtasks: BTreeMap<String, Vec<String>>,
    /// Configuration of each task.
    pub configs: BTreeMap<String, Value>,
    /// Version of each task.
    pub versions: BTreeMap<String, u32>,
    /// Number of solved examples shown before each question.
    #[serde(rename = "n-shot")]
    pub shots: BTreeMap<String, u32>,
    /// Whether higher is better, by task and measure.
    pub higher_is_better: BTreeMap<String, BTreeMap<String, bool>>,
    /// Number of documents, by task.
    #[serde(rename = "n-samples")]
    pub samples: BTreeMap<String, SampleCount>,
    /// The model and its settings.
    pub config: Map<String, Value>,
    /// Always null.
    pub git_hash: Option<String>,
    /// When the evaluation began, in seconds since 1970.
    pub date: f64,
    /// Hash of each task's documents and configuration, without the model.
    pub task_hashes: BTreeMap<String, String>,
    /// Engine that ran the model.
    pub model_source: String,
    /// The model as the user named it.
    pub model_name: String,
    /// The same, as a file name.
    pub model_name_sanitized: String,
    /// When the evaluation began, in seconds since 1970.
    pub start_time: f64,
    /// When it ended.
    pub end_time: f64,
    /// Seconds of work on all tasks, including those reused.
    pub total_evaluation_time_seconds: f64,
    /// Data without a key in lm-eval.
    pub xldistill: Details,
}

/// Number of documents of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCount {
    /// Number of documents in the material.
    pub original: usize,
    /// Number of evaluated documents.
    pub effective: usize,
}

/// Data without a key in lm-eval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Version of xldistill.
    pub version: String,
    /// The language the model is strong in; all others are to be learnt.
    pub source: Language,
    /// The model that was evaluated.
    pub model: EngineIdentity,
    /// The language identifier.
    pub identifier: EngineIdentity,
    /// The learned metric of translations, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<EngineIdentity>,
    /// Per task.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// Lines of the material that could not be used.
    #[serde(default)]
    pub skipped_lines: Vec<SkippedLine>,
    /// Whether all tasks are finished.
    pub complete: bool,
}

/// The scores of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Hash of the model, the documents, the configuration and the engines involved. As long as it
    /// does not change, the scores are reused.
    pub key: String,
    /// The language that is evaluated.
    pub language: Language,
    /// Its presentation in a report.
    #[serde(default)]
    pub presentation: Presentation,
    /// Seconds of work.
    pub seconds: f64,
    /// The scores.
    pub measures: Vec<MeasuredScore>,
    /// Counts for the report, e.g. of wrong languages.
    #[serde(default)]
    pub histogram: BTreeMap<String, u64>,
    /// Hash of the samples' file.
    pub samples_hash: String,
    /// The model's outputs, if a learned metric has scored them: `key` and `samples_hash` then are
    /// those of the outputs with its scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

impl TaskRecord {
    /// Whether the samples' file, which has this `hash`, is intact. A kill between two writes leaves
    /// samples without the scores that the record already has.
    pub(crate) fn is_of(&self, hash: &str) -> bool {
        let outputs = self.outputs.as_ref();
        hash == self.samples_hash || outputs.is_some_and(|own| hash == own.samples_hash)
    }
}

/// The outputs of a task without the scores of a learned metric. As long as their key does not
/// change, another metric can score them without the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    /// Hash of the model, the documents, the configuration and the engines but the metric.
    pub key: String,
    /// Hash of the samples' file without the metric's scores.
    pub samples_hash: String,
    /// Seconds of work.
    pub seconds: f64,
}

/// A score with its confidence interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredScore {
    /// The measure.
    #[serde(flatten)]
    pub measure: Measure,
    /// The score.
    pub score: f64,
    /// 95 % bootstrap interval.
    pub confidence: Confidence,
}

impl Results {
    /// Name of the file in an evaluation's folder.
    pub const FILE: &str = "results.json";

    /// The file of a task's samples.
    pub fn samples_file(task: &str) -> String {
        format!("samples_{task}.jsonl")
    }

    /// Results without tasks.
    pub(crate) fn new(
        source: Language,
        model: EngineIdentity,
        identifier: EngineIdentity,
        batch_size: usize,
        started: f64,
    ) -> Self {
        let config = [
            ("model", json!(model.engine)),
            (
                "model_args",
                json!(format!("pretrained={},{}", model.model, model.parameters)),
            ),
            ("model_revision", json!(model.revision)),
            ("batch_size", json!(batch_size)),
            ("limit", Value::Null),
        ];
        let sanitised = |name: &str| {
            let keep = |character: char| character.is_alphanumeric() || "-_.".contains(character);
            name.split(|character| !keep(character))
                .collect::<Vec<_>>()
                .join("__")
        };
        Self {
            results: BTreeMap::new(),
            group_subtasks: BTreeMap::new(),
            configs: BTreeMap::new(),
            versions: BTreeMap::new(),
            shots: BTreeMap::new(),
            higher_is_better: BTreeMap::new(),
            samples: BTreeMap::new(),
            config: config
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            git_hash: None,
            date: started,
            task_hashes: BTreeMap::new(),
            model_source: model.engine.clone(),
            model_name: model.model.clone(),
            model_name_sanitized: sanitised(&model.model),
            start_time: started,
            end_time: started,
            total_evaluation_time_seconds: 0.0,
            xldistill: Details {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                source,
                model,
                identifier,
                metric: None,
                tasks: BTreeMap::new(),
                skipped_lines: Vec::new(),
                complete: false,
            },
        }
    }

    /// Reads `results.json` in an evaluation's folder; `None` if there is none or another program
    /// wrote it.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(Self::FILE)).ok()?).ok()
    }

    /// The key of complete results ([`crate::suite::key`]); `None` if tasks are missing.
    pub fn key(&self) -> Option<Key> {
        let tasks = self.xldistill.tasks.iter();
        let keys = tasks.map(|(name, task)| (name.clone(), task.key.as_str()));
        self.xldistill.complete.then(|| key(keys))
    }

    /// Adds a task, or replaces it.
    pub(crate) fn insert(&mut self, name: &str, entry: TaskEntry, record: TaskRecord) {
        let mut numbers = Map::new();
        numbers.insert("alias".to_owned(), name.into());
        let mut better = BTreeMap::new();
        for MeasuredScore {
            measure,
            score,
            confidence,
        } in &record.measures
        {
            let key = &measure.key;
            numbers.insert(format!("{key},none"), json!(score));
            numbers.insert(
                format!("{key}_stderr,none"),
                json!(confidence.standard_error),
            );
            if let Some(higher) = measure.higher_is_better {
                better.insert(key.clone(), higher);
            }
        }
        self.results.insert(name.to_owned(), numbers);
        self.configs.insert(name.to_owned(), entry.configuration);
        self.versions.insert(name.to_owned(), entry.version);
        self.shots.insert(name.to_owned(), entry.shots);
        self.higher_is_better.insert(name.to_owned(), better);
        let count = SampleCount {
            original: entry.documents,
            effective: entry.documents,
        };
        self.samples.insert(name.to_owned(), count);
        self.task_hashes.insert(name.to_owned(), entry.hash);
        self.xldistill.tasks.insert(name.to_owned(), record);
        let seconds = self.xldistill.tasks.values().map(|task| task.seconds);
        self.total_evaluation_time_seconds = seconds.sum();
    }
}

/// The key of results with these tasks, given by name and key.
pub(crate) fn key<'k>(tasks: impl Iterator<Item = (String, &'k str)>) -> Key {
    Key::of(&("evaluate", tasks.collect::<BTreeMap<_, _>>()))
}

/// Data of a task besides its scores.
#[derive(Debug, Clone)]
pub(crate) struct TaskEntry {
    pub configuration: Value,
    pub version: u32,
    pub shots: u32,
    pub documents: usize,
    pub hash: String,
}
