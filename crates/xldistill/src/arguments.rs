//! The command line.

mod classifiers;
mod comparisons;
mod keys;
mod models;
mod numbers;
mod texts;

use std::ffi::OsStr;
use std::path::PathBuf;

use ::models::{ComputeDevice, LanguageModel, Precision, WeightForm};
use anyhow::{Context, Result};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Subcommand};
use corpus::language::Language;
use corpus::shell;
use engines::model_ref::ModelRef;
use engines::template_ref::TemplateRef;

use crate::config_file::ConfigError;
use crate::system::{SystemConfig, SystemName};
use crate::systems::{StageCommand, stage_commands};

pub use classifiers::{ExportEmbeddingsArguments, PredictArguments};
pub use comparisons::{CompareArguments, GridArguments, InsideArguments};
pub use keys::flag;
pub use models::{ChatArguments, CleanArguments, ExportArguments, ExportFormat};
pub use texts::{
    EstimateQualityArguments, IdentifyArguments, ScoreCommand, ScoreFiles, TranslateTextArguments,
};

/// Place in the help of options that every command has.
const LAST: usize = 900;

/// Verbosity of standard error.
#[derive(Debug, Args)]
pub struct Output {
    /// More on standard error: -v for progress, -vv for every detail
    #[arg(short, long, global = true, display_order = LAST, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only errors on standard error
    #[arg(short, long, global = true, display_order = LAST, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The commands, except those of single stages, which are derived from the list of stages
/// ([`command`]).
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a config end to end
    Run {
        /// The config and overrides.
        #[command(flatten)]
        config: RunArguments,
        /// First stage; the stages before it must be finished
        #[arg(long, value_name = "STAGE", value_parser = StageNames)]
        from: Option<String>,
        /// Last stage
        #[arg(long, value_name = "STAGE", value_parser = StageNames)]
        until: Option<String>,
        /// Show what would be done without doing it
        #[arg(long)]
        dry_run: bool,
    },
    /// Run a grid of methods, languages, models and seeds, and compare them in tables
    Grid(GridArguments),
    /// Compare the evaluations of runs: scores, paired tests, and the keys that differ
    Compare(CompareArguments),
    /// Show how close the representations of translations are before and after training
    Inside(InsideArguments),
    /// Show the stages of a run with their shards, dependencies and commands
    Plan(PlanArguments),
    /// Show one encoded example of each subset, with the supervised tokens marked
    Inspect(ConfigArguments),
    /// Answer prompts with an LLM: one JSON line per prompt
    Generate(GenerateArguments),
    /// Talk to an LLM in the terminal
    Chat(ChatArguments),
    /// Write a trained model for other programs: GGUF, a merged model, a PEFT adapter
    Export(ExportArguments),
    /// Delete the checkpoints of finished trainings, and what killed processes left behind
    Clean(CleanArguments),
    /// Perplexity of each line of standard input
    Perplexity(PerplexityArguments),
    /// Translate standard input, line by line
    TranslateText(TranslateTextArguments),
    /// Identify the language of each line of standard input: code TAB probability
    Identify(IdentifyArguments),
    /// Classify the lines of standard input with a trained classifier or stack: one JSON line each
    Predict(PredictArguments),
    /// Write the embeddings that the LLM of a stack reads for each line of standard input, and the
    /// merged LLM
    ExportEmbeddings(ExportEmbeddingsArguments),
    /// Estimate the quality of translations with CometKiwi or COMET: a score per line
    EstimateQuality(EstimateQualityArguments),
    /// Score hypotheses against references
    #[command(subcommand)]
    Score(ScoreCommand),
    /// Write a commented config to start from
    Init {
        /// File to write
        #[arg(default_value = "xldistill.toml")]
        path: PathBuf,
        /// Target language: a FLORES-200 or ISO 639 code, or an English name
        #[arg(long, default_value = "por_Latn")]
        target: String,
        /// The system: sdrrl teaches an LLM a language, mt-llm stacks it on a multilingual encoder,
        /// classify trains a classifier
        #[arg(long, value_enum, default_value_t)]
        system: SystemName,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// Calibrate quality scores on human translations and on deliberately bad ones
    Calibrate(CalibrateArguments),
    /// Check the machine, and the files and models a config names
    Doctor {
        /// Config file (TOML)
        config: Option<PathBuf>,
        /// Overrides, e.g. train.epochs=2
        #[arg(value_name = "KEY=VALUE")]
        overrides: Vec<String>,
        /// Device, overriding the config: cpu, vulkan, metal, cuda, rocm, wgpu; cuda:1
        #[arg(long)]
        device: Option<ComputeDevice>,
    },
    /// Print the reference of config keys (docs/config.md)
    #[command(hide = true)]
    ConfigReference,
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The whole command line: the commands of [`Command`] and of each stage.
pub fn command() -> clap::Command {
    let stage = |stage: StageCommand| {
        let about = stage.about();
        let command = clap::Command::new(stage.command);
        let command = match stage.shardable {
            true => RunArguments::augment_args(command),
            false => ConfigArguments::augment_args(command),
        };
        let command = match stage.command {
            "evaluate" => EvaluateArguments::augment_args(command),
            _ => command,
        };
        command.about(about)
    };
    let command = clap::Command::new("xldistill")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true);
    Command::augment_subcommands(Output::augment_args(command))
        .about(
            "Teach an open LLM a language it is weak in, from what it already knows in one it is \
             strong in",
        )
        .subcommands(stage_commands().into_iter().map(stage))
        .mut_subcommand("translate-text", TranslateTextArguments::explain)
}

/// Parser of stages, by the names of their commands. Help and completion list those of all systems; a
/// wrong name is refused when the config has been read, with those of its own run.
#[derive(Clone)]
struct StageNames;

impl TypedValueParser for StageNames {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let commands = stage_commands().into_iter();
        let names = commands.map(|stage| PossibleValue::new(stage.command));
        Some(Box::new(names))
    }
}

/// A config file and its overrides.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    /// Config file (TOML)
    pub config: PathBuf,
    /// Overrides, e.g. train.epochs=2
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Device, overriding the config: cpu, vulkan, metal, cuda, rocm, wgpu; cuda:1
    #[arg(long)]
    pub device: Option<ComputeDevice>,
}

impl ConfigArguments {
    /// The config with the overrides of the command line.
    pub fn read<C: SystemConfig>(&self) -> Result<C, ConfigError> {
        C::read(&self.config, &self.all_overrides())
    }

    /// The system that the config is for.
    pub fn system(&self) -> Result<SystemName, ConfigError> {
        SystemName::of(&self.config, &self.all_overrides())
    }

    /// The config and the overrides as they are typed in a POSIX shell.
    pub fn typed(&self) -> String {
        let config = self.config.display().to_string();
        let device = self.device.map(|device| format!("--device={device}"));
        let words = std::iter::once(config)
            .chain(self.overrides.iter().cloned())
            .chain(device);
        let words: Vec<String> = words
            .map(|word| shell::quoted(&word).into_owned())
            .collect();
        words.join(" ")
    }

    fn all_overrides(&self) -> Vec<String> {
        let device = self.device.map(|device| format!("device={device}"));
        self.overrides.iter().cloned().chain(device).collect()
    }
}

/// The additional arguments of `xldistill evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// Evaluate this model instead of those of the run: Hugging Face directory, PEFT adapter or GGUF
    /// file
    #[arg(long, value_name = "PATH")]
    pub model: Option<ModelRef>,
    /// Score the saved outputs of an SDRRL run again, without the models: after another
    /// evaluate.comet, evaluate.identify, bleu_tokenizer, translation_answer or copied_share
    #[arg(long, conflicts_with = "model")]
    pub rescore: bool,
}

/// A config and the shard to run.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The config and overrides.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Run only shard I of N of the row-wise stages, e.g. 0/8
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
}

/// `xldistill plan`
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The config and overrides.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Number of shards of the row-wise stages
    #[arg(long, default_value_t = 1, value_parser = numbers::count::<u32>)]
    pub shards: u32,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// A language model for inference.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// GGUF file, Hugging Face directory or PEFT adapter
    #[arg(long = "model", value_name = "PATH")]
    pub path: ModelRef,
    /// Device: cpu, vulkan, metal, cuda, rocm, wgpu; one of several GPUs as cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// Number format of the weights: f32, bf16 or int8
    #[arg(long, default_value_t = Precision::F32)]
    pub precision: Precision,
}

impl ModelArguments {
    /// The model, packed for inference.
    pub fn load(&self) -> Result<LanguageModel> {
        self.path.check().map_err(anyhow::Error::msg)?;
        let form = WeightForm::Packed(self.precision);
        Ok(LanguageModel::load_as(
            &self.path,
            &self.device.open()?,
            form,
        )?)
    }
}

/// A model that is asked.
#[derive(Debug, Args)]
pub struct AskedModelArguments {
    /// The model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Chat template of a model that brings none: alpaca, chatml, llama2, or a Jinja file
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<TemplateRef>,
}

impl AskedModelArguments {
    /// Where it is.
    pub fn path(&self) -> &ModelRef {
        &self.model.path
    }

    /// The model, packed for inference, with its chat template or the one that is named.
    pub fn load(&self) -> Result<LanguageModel> {
        let path = self.path();
        path.check().map_err(anyhow::Error::msg)?;
        let source = self.template.as_ref().map(|named| named.source_for(path));
        let source = source.transpose().map_err(anyhow::Error::msg);
        let source = source.context("--template")?;
        let model = self.model.load()?;
        Ok(match source {
            Some(source) => model.with_template(&source)?,
            None => model,
        })
    }
}

/// `xldistill generate`
#[derive(Debug, Args)]
pub struct GenerateArguments {
    /// The model.
    #[command(flatten)]
    pub model: AskedModelArguments,
    /// File with one prompt per line [default: standard input]
    #[arg(long)]
    pub prompts: Option<PathBuf>,
    /// Maximum number of tokens to generate per prompt
    #[arg(long, default_value_t = 128, value_parser = numbers::count::<usize>)]
    pub max_new_tokens: usize,
    /// Number of prompts decoded in parallel
    #[arg(long, default_value_t = 16, value_parser = numbers::count::<usize>)]
    pub batch_size: usize,
    /// System message, instead of the chat template's own
    #[arg(long)]
    pub system: Option<String>,
    /// Continue the prompt as plain text, without the chat template
    #[arg(long)]
    pub raw: bool,
    /// Sampling temperature; 0 is greedy
    #[arg(long, default_value_t = 0.0, value_parser = numbers::temperature)]
    pub temperature: f32,
    /// Sample from the smallest set of tokens with at least this total probability
    #[arg(long, default_value_t = 1.0, value_parser = numbers::top_p)]
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
    /// Print a JSON object per line, with tokens and log-probabilities
    #[arg(long)]
    pub json: bool,
}

/// `xldistill calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// The config and overrides.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Score only the first N pairs of each direction
    #[arg(long, value_name = "N", value_parser = numbers::count::<usize>)]
    pub limit: Option<usize>,
    /// Print a JSON object for all directions
    #[arg(long)]
    pub json: bool,
}

/// The language given by `argument`.
pub fn language(argument: &str, name: &str) -> Result<Language, ConfigError> {
    Language::parse(name).map_err(|error| ConfigError(format!("{argument}: {error}")))
}
