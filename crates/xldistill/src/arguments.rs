//! The command line as typed.

mod texts;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use corpus::language::Language;
use models::{ComputeDevice, LanguageModel, WeightForm};

use crate::config::{Config, WeightPrecision};
use crate::config_file::ConfigError;

pub use texts::{
    EstimateQualityArguments, IdentificationEngine, IdentifyArguments, LanguageCodesArgument,
    ScoreCommand, ScoreFiles, TranslateTextArguments, TranslationEngine,
};

/// Teach an open LLM a language it is weak in, from what it already knows in one it is strong in.
#[derive(Debug, Parser)]
#[command(
    name = "xldistill",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// More on standard error: -v what happens, -vv every detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Nothing on standard error but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The verbs of the command line.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a config end to end: answer, translate, filter, code-switch, mix, train, evaluate, report
    Run {
        /// The config and overrides.
        #[command(flatten)]
        config: ConfigArguments,
        /// Begin with this stage; the stages before it must be finished
        #[arg(long, value_name = "STAGE")]
        from: Option<StageName>,
        /// End with this stage
        #[arg(long, value_name = "STAGE")]
        until: Option<StageName>,
        /// Show what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Let the LLM answer the instructions in the source language
    Answer(ConfigArguments),
    /// Translate questions and answers into the target languages
    Translate(ConfigArguments),
    /// Reject bad translations, with their reasons
    Filter(ConfigArguments),
    /// Replace words of the questions by dictionary translations
    CodeSwitch(ConfigArguments),
    /// Put the subsets LL, TL, LT, TT, mt and comp together, with their weights
    Mix(ConfigArguments),
    /// Fine-tune the LLM on the transfer set
    Train(ConfigArguments),
    /// Measure the LLM before and after training
    Evaluate(ConfigArguments),
    /// Write report.html and report.json, and show the scores
    Report(ConfigArguments),
    /// Show how one example of each subset is encoded, and which tokens are supervised
    Inspect(ConfigArguments),
    /// Answer prompts with an LLM: one JSON line per prompt
    Generate(GenerateArguments),
    /// Perplexity of each line of standard input
    Perplexity(PerplexityArguments),
    /// Translate standard input, line by line
    TranslateText(TranslateTextArguments),
    /// Identify the language of each line of standard input: code TAB probability
    Identify(IdentifyArguments),
    /// Estimate the quality of translations with CometKiwi or COMET: a score per line
    EstimateQuality(EstimateQualityArguments),
    /// Score hypotheses against references
    #[command(subcommand)]
    Score(ScoreCommand),
    /// Write a commented config to start from
    Init {
        /// Where to write it
        #[arg(default_value = "xldistill.toml")]
        path: PathBuf,
        /// Target language: a FLORES-200 or ISO 639 code, or an English name
        #[arg(long, default_value = "por_Latn")]
        target: String,
        /// Overwrite the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Say what quality scores mean: score held-out human translations, and what is none
    Calibrate(CalibrateArguments),
    /// Check the machine, and the files and models a config names
    Doctor {
        /// The config to check
        config: Option<PathBuf>,
    },
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A config file and what the command line changes in it.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    /// Config file (TOML)
    pub config: PathBuf,
    /// Overrides, e.g. train.epochs=2
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Do only shard I of N of the row-wise stages, e.g. 0/8
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// What computes, instead of the config's device: cpu, vulkan, metal, cuda, rocm, wgpu; cuda:1
    #[arg(long)]
    pub device: Option<ComputeDevice>,
}

impl ConfigArguments {
    /// The config as the command line has it.
    pub fn read(&self) -> Result<Config, ConfigError> {
        let device = self.device.map(|device| format!("device={device}"));
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(device).collect();
        Config::read(&self.config, &overrides)
    }
}

/// The stages of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum StageName {
    /// The LLM answers the instructions.
    Answer,
    /// Questions and answers are translated.
    Translate,
    /// Bad translations are rejected.
    Filter,
    /// Words of the questions are code-switched.
    CodeSwitch,
    /// The transfer set is put together.
    Mix,
    /// The LLM is fine-tuned.
    Train,
    /// The LLM is measured before and after.
    Evaluate,
    /// The report is written.
    Report,
}

/// A language model for inference.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// GGUF file, Hugging Face directory or PEFT adapter
    #[arg(long = "model")]
    pub path: PathBuf,
    /// What computes: cpu, vulkan, metal, cuda, rocm, wgpu; of several GPUs e.g. cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// How the model's weights are held and multiplied: 4, 2 or 1 bytes each
    #[arg(long, value_enum, default_value_t = WeightPrecision::F32)]
    pub precision: WeightPrecision,
}

impl ModelArguments {
    /// The model, packed for inference.
    pub fn load(&self) -> Result<LanguageModel> {
        let form = WeightForm::Packed(self.precision.into());
        Ok(LanguageModel::load_as(
            &self.path,
            &self.device.open()?,
            form,
        )?)
    }
}

/// `xldistill generate`
#[derive(Debug, Args)]
pub struct GenerateArguments {
    /// The model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// One prompt per line; standard input where it is not given
    #[arg(long)]
    pub prompts: Option<PathBuf>,
    /// Most tokens to generate per prompt
    #[arg(long, default_value_t = 128)]
    pub max_new_tokens: usize,
    /// Prompts decoded side by side
    #[arg(long, default_value_t = 16)]
    pub batch_size: usize,
    /// System message, instead of the chat template's own
    #[arg(long)]
    pub system: Option<String>,
    /// Continue the prompt as plain text, without the chat template
    #[arg(long)]
    pub raw: bool,
    /// Sampling temperature; 0 is greedy
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f32,
    /// Sample from the smallest set of tokens with this probability
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `xldistill perplexity`
#[derive(Debug, Args)]
pub struct PerplexityArguments {
    /// The model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// One JSON object per line, with tokens and log-probabilities
    #[arg(long)]
    pub json: bool,
}

/// `xldistill calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// The config and overrides.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Score only the first so many pairs of each direction
    #[arg(long)]
    pub limit: Option<usize>,
    /// One JSON object for all directions
    #[arg(long)]
    pub json: bool,
}

/// The language that `argument` names.
pub fn language(argument: &str, name: &str) -> Result<Language, ConfigError> {
    Language::parse(name).map_err(|error| ConfigError(format!("{argument}: {error}")))
}
