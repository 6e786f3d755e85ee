//! Arguments of the commands for a model that is finished.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engines::model_ref::ModelRef;

use super::{AskedModelArguments, numbers};

/// `xldistill chat`
#[derive(Debug, Args)]
pub struct ChatArguments {
    /// The model.
    #[command(flatten)]
    pub model: AskedModelArguments,
    /// System message, instead of the chat template's own
    #[arg(long)]
    pub system: Option<String>,
    /// Sampling temperature; 0 is greedy
    #[arg(long, default_value_t = 0.7, value_parser = numbers::temperature)]
    pub temperature: f32,
    /// Sample from the smallest set of tokens with at least this total probability
    #[arg(long, default_value_t = 0.9, value_parser = numbers::top_p)]
    pub top_p: f32,
    /// Maximum number of tokens in an answer
    #[arg(long, alias = "max-tokens", default_value_t = 512, value_parser = numbers::count::<usize>)]
    pub max_new_tokens: usize,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// What a model is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A GGUF file and a Modelfile, for llama.cpp, Ollama and LM Studio
    Gguf,
    /// A Hugging Face directory, with the adapter merged into its base model
    Merged,
    /// A PEFT adapter with its tokenizer, for the base model it belongs to
    Peft,
}

/// `xldistill export`
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Model to export: Hugging Face directory, PEFT adapter or GGUF file
    #[arg(long, value_name = "PATH")]
    pub model: ModelRef,
    /// Format
    #[arg(long, value_enum)]
    pub to: ExportFormat,
    /// Number format: f32, f16 or bf16, for GGUF also q8_0 [default: f16 for GGUF, that of the base
    /// model otherwise]
    #[arg(long = "type", value_name = "TYPE")]
    pub numbers: Option<String>,
    /// Base model that a PEFT adapter names from now on [default: the one it names]
    #[arg(long, value_name = "PATH")]
    pub base: Option<ModelRef>,
    /// Folder to write
    pub output: PathBuf,
}

/// `xldistill clean`
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// Folder of a run or a grid (its `output`), or a store
    pub folder: PathBuf,
    /// Show what would be deleted without deleting it
    #[arg(long)]
    pub dry_run: bool,
}
