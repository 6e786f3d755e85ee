//! Arguments of the commands that work with a trained classifier or stack.

use std::path::PathBuf;

use clap::Args;
use models::{ComputeDevice, Precision};

use super::numbers;

/// `xldistill predict`
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// Directory of the model, as distill and classify write it
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Task, if the model has several
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Language of the input; required by centred models and by models whose encoder marks it, such as
    /// NLLB
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Read two texts per line, separated by a tab, e.g. premise and hypothesis; a line with further
    /// columns, such as a label, is an error
    #[arg(long, conflicts_with = "jsonl")]
    pub pairs: bool,
    /// Read a JSON object per line: {"text"}, {"first", "second"} or {"passage", "question",
    /// "choices"}, each also with "language" and "id"
    #[arg(long)]
    pub jsonl: bool,
    /// Maximum number of lines read together
    #[arg(long, default_value_t = 256, value_parser = numbers::count::<usize>)]
    pub batch_size: usize,
    /// Device: cpu, vulkan, metal, cuda, rocm, wgpu; one of several GPUs as cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// Number format of the weights: f32, bf16 or int8
    #[arg(long, default_value_t = Precision::F32)]
    pub precision: Precision,
}

/// `xldistill export-embeddings`
#[derive(Debug, Args)]
pub struct ExportEmbeddingsArguments {
    /// Directory of a stack, as adapt and distill write it
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder for the embeddings: line N of the input becomes N.safetensors with the tensor
    /// prompt_embeds [tokens, width of the LLM]
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Also write the LLM with its adapters merged, as a Hugging Face directory
    #[arg(long, value_name = "DIR")]
    pub llm: Option<PathBuf>,
    /// Language of the input; required by centred models and by models whose encoder marks it, such as
    /// NLLB
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Device: cpu, vulkan, metal, cuda, rocm, wgpu; one of several GPUs as cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
}
