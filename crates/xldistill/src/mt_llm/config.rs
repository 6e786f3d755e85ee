//! The config of an MT-LLM run.

mod baselines;
mod encoder;
mod llm2vec;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::source::plain_text::TextSource;
use engines::model_ref::ModelRef;
use engines::translator::TranslateConfig;
use evaluation::report::paths::ReportConfig;
use models::{BackboneSettings, ComputeDevice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training::classification::ClassificationConfig;
use training::general_adaptation::AdaptConfig;
use training::task_distillation::DistillationConfig;

pub use baselines::Baselines;
pub use encoder::Encoder;
pub use llm2vec::Llm2Vec;
pub use text::Text;

use super::stages::STAGES;
use crate::comparison::Evaluate;
use crate::stages::Stage;
use crate::system::{SystemConfig, SystemName};
use crate::tasks::{self, Tasks};

/// One run of MT-LLM, as its config file describes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The system that the config is for: `mt-llm`.
    #[schemars(extend("default-text" = "required"))]
    #[serde(default)]
    pub system: SystemName,
    /// The LLM: a GGUF file, a folder with one, or a Hugging Face directory.
    pub model: ModelRef,
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
    /// Whether stage 1 adapts the LLM to the encoder before a task is distilled. Without it, the
    /// projection starts at random, whatever `adapt.projection` says: an ablation of the paper.
    #[serde(default = "yes")]
    pub adapted: bool,
    /// The multilingual encoder, which stays as it is.
    pub encoder: Encoder,
    /// How texts are read.
    #[serde(default)]
    pub reading: BackboneSettings,
    /// Plain text in the LLM's strong language, for LLM2Vec and stage 1.
    pub text: Text,
    /// Files of the same sentences in several languages, one per line, to measure during stage 1 how
    /// often the translation of a sentence of the first is the nearest of all. The file in the
    /// language of the text is needed.
    #[serde(default)]
    pub retrieval: BTreeMap<Language, FilePath>,
    /// Makes a text encoder of the LLM (arXiv 2404.05961).
    #[serde(default)]
    pub llm2vec: Llm2Vec,
    /// Stage 1: the LLM learns from plain text to read the encoder.
    #[serde(default)]
    pub adapt: AdaptConfig,
    /// The labelled files of a task. There may be several tasks, each with a name of its own.
    pub tasks: Tasks,
    /// The first step of stage 2: the LLM learns each task in its strong language.
    #[serde(default)]
    pub classify: ClassificationConfig,
    /// The second step of stage 2: the stack learns to read the tasks' texts as the LLM does.
    #[serde(default)]
    pub distill: DistillationConfig,
    /// Plain text in several languages, from a few hundred sentences, of any content; 2,000 of a language
    /// are read. What the
    /// encoder's states say about the language itself is estimated from it and subtracted; the
    /// finished model, `centre/model`, does so, too. The language of `[text]` is needed. The values
    /// are those of `text.files`.
    #[serde(default)]
    pub centring: BTreeMap<Language, TextSource>,
    /// What the stack is compared with.
    #[serde(default)]
    pub baselines: Baselines,
    /// The engine of the baseline translate-test. It translates the test sets into the language of
    /// training. Firefox models are named under `reverse_models`; languages without one are left out.
    #[serde(default)]
    pub translate: Option<TranslateConfig>,
    /// Evaluation on the test files of the tasks.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// The report.
    #[serde(default)]
    pub report: ReportConfig,
}

fn yes() -> bool {
    true
}

impl SystemConfig for Config {
    const SYSTEM: SystemName = SystemName::MtLlm;

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
        let sections = vec![
            (
                "llm2vec.mntp.training",
                &mut self.llm2vec.mntp.training.seed,
            ),
            (
                "llm2vec.simcse.training",
                &mut self.llm2vec.simcse.training.seed,
            ),
            ("adapt.training", &mut self.adapt.training.seed),
            ("classify.training", &mut self.classify.training.seed),
            ("distill.training", &mut self.distill.training.seed),
        ];
        (self.seed, sections)
    }

    fn validate(&self) -> Result<(), String> {
        tasks::validate(&self.tasks)?;
        self.text.validate()?;
        self.llm2vec.validate()?;
        let sections = [
            self.adapt.validate("adapt"),
            self.classify.validate("classify"),
            self.distill.validate("distill"),
        ];
        for section in sections {
            section.map_err(|error| error.to_string())?;
        }
        if self.baselines.translate_test && self.translate.is_none() {
            return Err(
                "baselines.translate_test: name the translation engine under [translate]".into(),
            );
        }
        if self.retrieval.len() == 1 {
            return Err("retrieval: name the same sentences in at least two languages".into());
        }
        let language = self.text.language;
        if !self.retrieval.is_empty() && !self.retrieval.contains_key(&language) {
            let code = language.code();
            return Err(format!(
                "retrieval: name the sentences in the language of the text, too: {code} = \"FILE\""
            ));
        }
        if !self.centring.is_empty() && !self.centring.contains_key(&language) {
            let code = language.code();
            return Err(format!(
                "centring: name text in the language of [text], too: {code} = \"FILE\""
            ));
        }
        if self.centring.len() == 1 {
            return Err("centring: name text in at least one more language".into());
        }
        if self.baselines.fine_tuned_stack && !self.adapted {
            return Err("baselines.fine_tuned_stack needs stage 1; set adapted = true".into());
        }
        if self.reading.max_length < 2 {
            return Err("reading.max_length: must be at least 2".into());
        }
        self.evaluate.validate()
    }
}
