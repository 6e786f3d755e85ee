//! The config of a classifier.

use std::path::Path;

use corpus::file_path::FilePath;
use engines::model_ref::ModelRef;
use evaluation::report::paths::ReportConfig;
use models::{BackboneSettings, ComputeDevice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training::classification::ClassificationConfig;

use super::stages::STAGES;
use crate::comparison::Evaluate;
use crate::stages::Stage;
use crate::system::{SystemConfig, SystemName};
use crate::tasks::{self, Tasks};

/// A classifier, as its config file describes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The system that the config is for: `classify`.
    #[schemars(extend("default-text" = "required"))]
    #[serde(default)]
    pub system: SystemName,
    /// The model that gets heads: an LLM (a GGUF file, a Hugging Face directory or a PEFT adapter), an
    /// encoder (a Hugging Face directory of XLM-R, BERT, NLLB-200 or M2M-100), or a stack (the folder
    /// `adapt/model` of an MT-LLM run).
    pub model: ModelRef,
    /// What an encoder expects before each text, e.g. `"query: "` for multilingual-e5.
    #[serde(default)]
    pub prefix: String,
    /// The folder of the run.
    pub output: FilePath,
    /// Folder of trained models that runs share. What another run with the same settings has made is
    /// not made again; `output` then has links into the store.
    #[serde(default)]
    pub store: Option<FilePath>,
    /// Device: `cpu`, or in a build that has it ([gpu.md](gpu.md)) `vulkan`, `metal`, `cuda`, `rocm`
    /// or `wgpu`; one of several GPUs as `cuda:1`. `--device` overrides it.
    #[serde(default)]
    pub device: ComputeDevice,
    /// Seed of every random choice.
    #[serde(default)]
    pub seed: u64,
    /// How texts are read.
    #[serde(default)]
    pub reading: BackboneSettings,
    /// The labelled files of a task. There may be several, each with a name of its own; the model gets
    /// a head for each.
    pub tasks: Tasks,
    /// How the heads are trained.
    #[serde(default)]
    pub classify: ClassificationConfig,
    /// Evaluation on the test files of the tasks.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// The report.
    #[serde(default)]
    pub report: ReportConfig,
}

impl SystemConfig for Config {
    const SYSTEM: SystemName = SystemName::Classify;

    fn stages() -> &'static [&'static dyn Stage<Self>] {
        &STAGES
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    fn report(&self) -> &ReportConfig {
        &self.report
    }

    fn seeds(&mut self) -> (u64, Vec<(&'static str, &mut u64)>) {
        let section = ("classify.training", &mut self.classify.training.seed);
        (self.seed, vec![section])
    }

    fn validate(&self) -> Result<(), String> {
        tasks::validate(&self.tasks)?;
        let classify = self.classify.validate("classify");
        classify.map_err(|error| error.to_string())?;
        if self.reading.max_length < 2 {
            return Err("reading.max_length: must be at least 2".into());
        }
        self.evaluate.validate()
    }
}
