//! The config of a run: what is done to which model, with which data and engines.

mod answer;
mod check;
mod code_switch;
mod decontaminate;
mod estimate_quality;
mod evaluate;
mod identify;
mod paths;
mod translate;
mod weight_precision;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corpus::filter::FilterConfig;
use corpus::language::Language;
use corpus::mix::MixConfig;
use corpus::source::ParallelSource;
use models::ComputeDevice;
use serde::{Deserialize, Serialize};
use training::TrainConfig;

use crate::config_file::{self, ConfigError};

pub use answer::{Answer, AnswerEngine};
pub use code_switch::CodeSwitch;
pub use decontaminate::Decontaminate;
pub use estimate_quality::{EstimateQuality, QualityEngine};
pub use evaluate::Evaluate;
pub use identify::Identify;
pub use translate::{Translate, TranslateEngine};
pub use weight_precision::WeightPrecision;

/// One run, as its config file says it. `docs/config.md` explains every key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The LLM: a GGUF file, a Hugging Face directory, or a folder with one GGUF file.
    pub model: PathBuf,
    /// The language that the LLM is strong in.
    #[serde(default = "english")]
    pub source: Language,
    /// The languages it is to learn.
    pub targets: Vec<Language>,
    /// The run's folder.
    pub output: PathBuf,
    /// What computes: `cpu`, or a GPU where the build knows its interface: `vulkan`, `metal`, `cuda`,
    /// `rocm`, `wgpu`, of several GPUs `cuda:1`.
    #[serde(default)]
    pub device: ComputeDevice,
    /// Decides every draw: the choice of answers, code-switching, the order of examples.
    #[serde(default)]
    pub seed: u64,
    /// What the LLM learns from.
    pub data: Data,
    /// How it answers the instructions.
    #[serde(default)]
    pub answer: Answer,
    /// What translates.
    #[serde(default)]
    pub translate: Translate,
    /// What identifies languages.
    #[serde(default)]
    pub identify: Identify,
    /// What estimates the quality of translations.
    #[serde(default)]
    pub estimate_quality: EstimateQuality,
    /// Which translations are rejected.
    #[serde(default)]
    pub filter: FilterConfig,
    /// How words of the questions are replaced.
    #[serde(default)]
    pub code_switch: CodeSwitch,
    /// What must not be in the transfer set.
    #[serde(default)]
    pub decontaminate: Decontaminate,
    /// How the transfer set is put together.
    #[serde(default)]
    pub mix: MixConfig,
    /// How the LLM is fine-tuned.
    #[serde(default)]
    pub train: TrainConfig,
    /// What is measured.
    #[serde(default)]
    pub evaluate: Evaluate,
}

/// `[data]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files or folders of instructions in the source language: D of the paper.
    pub instructions: Vec<PathBuf>,
    /// Sentence pairs with each target language (source TAB target): P of the paper.
    #[serde(default)]
    pub parallel: BTreeMap<Language, ParallelSource>,
    /// Text in the target languages alone, a sentence a line: further completion tasks.
    #[serde(default)]
    pub monolingual: BTreeMap<Language, PathBuf>,
    /// Only so many instructions.
    #[serde(default)]
    pub limit: Option<usize>,
    /// The share of malformed rows over which the run stops.
    #[serde(default = "tenth")]
    pub max_rejected_fraction: f64,
}

fn english() -> Language {
    Language::ENGLISH
}

fn tenth() -> f64 {
    0.1
}

impl Config {
    /// Reads `path` with `overrides`, resolves relative paths from the config's folder, and checks
    /// what can be checked without opening a model.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let mut config: Config = config_file::read(path, overrides)?;
        config.seed_sections();
        config.resolve(path.parent().unwrap_or(Path::new("")));
        config
            .check()
            .map_err(|message| ConfigError(format!("{}: {message}", path.display())))?;
        Ok(config)
    }

    /// The run's seed holds wherever a section names none of its own.
    fn seed_sections(&mut self) {
        for seed in [&mut self.mix.seed, &mut self.train.seed] {
            if *seed == 0 {
                *seed = self.seed;
            }
        }
    }
}
