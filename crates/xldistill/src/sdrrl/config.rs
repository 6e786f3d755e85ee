//! The config of a run: the model, its data, and the engines and settings of every stage.

mod check;
mod code_switch;
mod data;
mod decontaminate;
mod evaluate;
mod method;
mod reverse_instructions;

use std::path::Path;

use corpus::file_path::FilePath;
use corpus::filter::FilterConfig;
use corpus::language::Language;
use corpus::mix::MixConfig;
use corpus::record::Subset;
use engines::answerer::AnswerEngine;
use engines::estimator::EstimateEngine;
use engines::identifier::IdentifyEngine;
use engines::model_ref::ModelRef;
use engines::opening::Opening;
use engines::template_ref::TemplateRef;
use engines::translator::TranslateConfig;
use evaluation::report::paths::ReportConfig;
use models::ComputeDevice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training::fine_tune::TrainConfig;

use super::stages::STAGES;
use crate::stages::Stage;
use crate::system::{SystemConfig, SystemName};

pub use code_switch::CodeSwitch;
pub use data::Data;
pub use decontaminate::Decontaminate;
pub use evaluate::Evaluate;
pub use method::{Ablation, MethodName};
pub use reverse_instructions::ReverseInstructions;

/// One run, as its config file describes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The system that the config is for.
    #[serde(default)]
    pub system: SystemName,
    /// The method, a preset of the keys `mix.subsets`, `mix.generated_fraction`, `mix.code_switched`,
    /// `mix.distilled` and `train.distil_share`; those in the file replace its values. The tables
    /// below show the values.
    #[serde(default)]
    pub method: MethodName,
    /// A row of the ablation in Table 6 of the paper: SDRRL without one of its parts, as a preset of
    /// the same keys. The second table of `[mix]` shows the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
    /// The LLM: a GGUF file, a folder with one, a Hugging Face directory, or a PEFT adapter.
    pub model: ModelRef,
    /// Chat template of an LLM that brings none, in answering, training and evaluation: `alpaca`,
    /// `chatml`, `llama2`, or a Jinja file. If the LLM brings another one, the run is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRef>,
    /// The language the LLM is strong in.
    #[serde(default = "english")]
    pub source: Language,
    /// The languages it is to learn.
    pub targets: Vec<Language>,
    /// The folder of the run.
    pub output: FilePath,
    /// Folder of finished stages that runs share: answers, translations, transfer sets, trained models
    /// and evaluations. What another run with the same settings has made is not made again; `output`
    /// then has links into the store.
    #[serde(default)]
    pub store: Option<FilePath>,
    /// Device for the LLM, NLLB and COMET: `cpu`, or in a build that has it ([gpu.md](gpu.md))
    /// `vulkan`, `metal`, `cuda`, `rocm` or `wgpu`; one of several GPUs as `cuda:1`. `--device`
    /// overrides it.
    #[serde(default)]
    pub device: ComputeDevice,
    /// Seed of every random choice.
    #[serde(default)]
    pub seed: u64,
    /// The instructions and texts to learn from.
    pub data: Data,
    /// The LLM's own answers (section 3.2.1).
    #[serde(default)]
    pub answer: AnswerEngine,
    /// The translation engine.
    #[serde(default)]
    pub translate: TranslateConfig,
    /// Language identification.
    ///
    /// Every engine abstains on texts of fewer than 25 letters (3 in scripts of one language), on
    /// names alone, and if it is not sure (CLD3 below 0.7, or 0.5 for Croatian and Bosnian; the
    /// others below 0.5). An abstention keeps the row. If an engine does not know a language, texts
    /// in it are never rejected as wrong language; `xldistill doctor` lists these languages.
    #[serde(default)]
    pub identify: IdentifyEngine,
    /// Estimation of translation quality.
    #[serde(default)]
    pub estimate_quality: EstimateEngine,
    /// Rejection of bad translations (sections 3.2.2 and 4.1).
    #[serde(default)]
    pub filter: FilterConfig,
    /// Replacement of words of the questions (section 3.2.3).
    #[serde(default)]
    pub code_switch: CodeSwitch,
    /// Native text as answers, with instructions made backwards. The answers of the other subsets are
    /// the LLM's own or translated; here they are passages that people wrote in the target language,
    /// untouched. Each is translated into the source language, the LLM writes the instruction that it
    /// answers, and the instruction is translated into the target language (instruction
    /// backtranslation, arXiv 2308.06259, across languages as in MURI, arXiv 2409.12958).
    ///
    /// Without this section there is no such text. With it, the methods `sdrrl` and `self-distil` have
    /// a seventh subset, `native`, of the same weight in training as the others; `mix.subsets` decides
    /// for other methods. The translation engine must translate from the target languages, too
    /// (`translate.reverse_models` of Firefox). The LLM judges whether an instruction fits its passage
    /// (`min_fit`); `[filter]` judges an instruction beside its translation, and a passage beside its
    /// own. A passage with a fault in any of them is left out. How good the instructions are depends
    /// on the LLM: read some in `native/part-00000-of-00001.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_instructions: Option<ReverseInstructions>,
    /// Removal of evaluation texts from the transfer set.
    ///
    /// Rows and sentence pairs that share text with an evaluation set are left out of the transfer
    /// set and counted. Two texts share text if a run of words occurs in both, in any case and with
    /// any punctuation; a shorter evaluation text must occur as a whole.
    #[serde(default)]
    pub decontaminate: Decontaminate,
    /// The transfer set (sections 3.2.1 to 3.2.5).
    ///
    /// It has six subsets, which all have the same weight in training. With source language x
    /// and target language y: LL asks and answers in x, TL asks in y and answers in x, LT asks in x
    /// and answers in y, TT asks and answers in y; `mt` translates the pairs of the parallel corpus
    /// in both directions; `comp` completes their sentences in y. `method` and `ablation` are choices
    /// of these. A seventh, `native`, comes with `[reverse_instructions]`: it asks in y, and the answer
    /// is native text.
    ///
    /// | `method` (section) | `subsets` | `generated_fraction` | `code_switched` | `distilled` |
    /// |---|---|---|---|---|
    /// | `sdrrl` (3.2) | all | 0.5 | true | |
    /// | `sft` (4.1) | `LL` | 0 | false | |
    /// | `t-sft` (4.1) | `LL`, `TT` | 0 | false | |
    /// | `cit` (4.1) | `LL`, `LT` | 0 | false | |
    /// | `xcot` (4.1) | `LL`, `TL`, `TT` | 0 | true | `TL`, with `train.distil_share = 0.5` |
    /// | `self-distil` | all | 1 | true | `LL`, `TL`, with `train.distil_share = 1` |
    ///
    /// | `ablation` of `sdrrl` (Table 6) | difference |
    /// |---|---|
    /// | `without-tl-lt` | `subsets` are `LL`, `TT`, `mt`, `comp` |
    /// | `without-own-answers` | `generated_fraction = 0` |
    /// | `without-mt-comp` | `subsets` are `LL`, `TL`, `LT`, `TT` |
    /// | `without-code-switching` | `code_switched = false` |
    /// | `only-mt-comp` | `subsets` are `mt`, `comp` |
    #[serde(default)]
    pub mix: MixConfig,
    /// Fine-tuning (sections 3.2.5 and 4.1).
    #[serde(default)]
    pub train: TrainConfig,
    /// Evaluation before and after.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// The report.
    #[serde(default)]
    pub report: ReportConfig,
}

fn english() -> Language {
    Language::ENGLISH
}

impl SystemConfig for Config {
    const SYSTEM: SystemName = SystemName::Sdrrl;

    fn stages() -> &'static [&'static dyn Stage<Self>] {
        &STAGES
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    fn targets(&self) -> &[Language] {
        &self.targets
    }

    fn report(&self) -> &ReportConfig {
        &self.report
    }

    fn seeds(&mut self) -> (u64, Vec<(&'static str, &mut u64)>) {
        let sections = vec![("mix", &mut self.mix.seed), ("train", &mut self.train.seed)];
        (self.seed, sections)
    }

    fn complete(&mut self, given: &toml::Table) {
        self.apply_method(given);
    }

    fn note(&self) -> Option<String> {
        Some(self.method_note())
    }

    fn validate(&self) -> Result<(), String> {
        self.check()
    }
}

impl Config {
    /// The native text to learn from, if the transfer set has any.
    pub fn native_text(&self) -> Option<&ReverseInstructions> {
        let section = self.reverse_instructions.as_ref();
        section.filter(|_| self.mix.wants(Subset::Native))
    }

    /// The source and the targets.
    pub fn languages(&self) -> Vec<Language> {
        [&[self.source], self.targets.as_slice()].concat()
    }

    /// What engines need to know about the run.
    pub fn opening(&self) -> Opening<'_> {
        Opening {
            model: Some(&self.model),
            template: self.template.as_ref(),
            source: self.source,
            targets: &self.targets,
            parallel: &self.data.parallel,
            device: self.device,
            seed: self.seed,
        }
    }
}
