//! Arguments of the commands that work on lines of text.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use models::ComputeDevice;

use crate::config::WeightPrecision;

/// `xldistill translate-text`
#[derive(Debug, Args)]
pub struct TranslateTextArguments {
    /// Translation engine
    #[arg(long, value_enum)]
    pub engine: TranslationEngine,
    /// firefox, nllb: directory of the model; llm: GGUF file, Hugging Face directory or PEFT adapter
    #[arg(long, required_if_eq_any([("engine", "firefox"), ("engine", "nllb"), ("engine", "llm")]))]
    pub model: Option<PathBuf>,
    /// nllb, llm: what computes: cpu, vulkan, metal, cuda, rocm, wgpu; of several GPUs e.g. cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// http, openai: address of the server
    #[arg(long, required_if_eq("engine", "http"))]
    pub url: Option<String>,
    /// openai: the model's name at the server
    #[arg(long, required_if_eq("engine", "openai"))]
    pub server_model: Option<String>,
    /// http: how the server names languages
    #[arg(long, value_enum, default_value_t = LanguageCodesArgument::Iso)]
    pub language_codes: LanguageCodesArgument,
    /// File of translations shared between runs
    #[arg(long)]
    pub cache: Option<PathBuf>,
    /// Source language
    #[arg(long)]
    pub from: String,
    /// Target language
    #[arg(long)]
    pub to: String,
    /// nllb: how weights are held and multiplied
    #[arg(long, value_enum, default_value_t = WeightPrecision::Bf16)]
    pub precision: WeightPrecision,
    /// nllb: beams of the search; 1 is greedy
    #[arg(long, default_value_t = 4)]
    pub beam_size: usize,
    /// nllb: most tokens of a translated sentence
    #[arg(long, default_value_t = 256)]
    pub max_new_tokens: usize,
    /// nllb: no run of so many tokens occurs twice in a translation; 0 allows all
    #[arg(long, default_value_t = 0)]
    pub no_repeat_ngram_size: usize,
    /// nllb: sentences translated side by side
    #[arg(long, default_value_t = 32)]
    pub batch_size: usize,
    /// Give each line to the engine as it is: no splitting, no protection
    #[arg(long)]
    pub raw: bool,
    /// One JSON object per line: {"source", "translation"}
    #[arg(long)]
    pub json: bool,
}

/// Engines of `translate-text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TranslationEngine {
    /// Firefox/Bergamot student models.
    Firefox,
    /// NLLB-200: one model of 200 languages.
    Nllb,
    /// A server of NeMo Curator's `nmt` contract: POST /translate.
    Http,
    /// An LLM on this machine.
    Llm,
    /// An LLM behind a server that speaks the OpenAI chat API.
    #[value(name = "openai")]
    OpenAi,
}

/// How a translation server names languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LanguageCodesArgument {
    /// ISO 639: pt.
    Iso,
    /// FLORES-200: por_Latn.
    Flores,
}

/// `xldistill identify`
#[derive(Debug, Args)]
pub struct IdentifyArguments {
    /// Language identification engine
    #[arg(long, value_enum, default_value_t = IdentificationEngine::Whatlang)]
    pub engine: IdentificationEngine,
    /// Its model: CLD3's lang_id_nn_params.cc, or a fastText .bin or .ftz file
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Print the engine's own code and probability for every line, without abstaining
    #[arg(long)]
    pub native_codes: bool,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// Engines of `identify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdentificationEngine {
    /// whatlang: 69 languages, no download.
    Whatlang,
    /// CLD3: 98 languages.
    Cld3,
    /// A fastText model: lid.176, lid218e, OpenLID, GlotLID.
    #[value(name = "fasttext")]
    FastText,
}

/// `xldistill estimate-quality`
#[derive(Debug, Args)]
pub struct EstimateQualityArguments {
    /// Folder of a COMET model (hparams.yaml and checkpoints/model.ckpt), or its checkpoint
    #[arg(long)]
    pub model: PathBuf,
    /// What computes: cpu, vulkan, metal, cuda, rocm, wgpu; of several GPUs e.g. cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// Folder with the encoder's tokenizer.json and config.json, if they are not in the model's
    #[arg(long)]
    pub encoder: Option<PathBuf>,
    /// Source texts, one a line
    #[arg(long)]
    pub source: PathBuf,
    /// Translations, one a line
    #[arg(long)]
    pub translation: PathBuf,
    /// References, one a line, for metrics that read them
    #[arg(long)]
    pub reference: Option<PathBuf>,
    /// How the encoder's weights are held and multiplied
    #[arg(long, value_enum, default_value_t = WeightPrecision::F32)]
    pub precision: WeightPrecision,
    /// Source language; only texts longer than the encoder reads are split by it
    #[arg(long, default_value = "eng_Latn")]
    pub from: String,
    /// Target language
    #[arg(long, default_value = "eng_Latn")]
    pub to: String,
    /// One JSON object per line: {"source", "translation", "score"}
    #[arg(long)]
    pub json: bool,
}

/// `xldistill score`
#[derive(Debug, Subcommand)]
pub enum ScoreCommand {
    /// BLEU, as sacrebleu computes it
    Bleu {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
        /// Tokenizer: 13a, intl, char, none or flores200
        #[arg(long, default_value = "13a")]
        tokenizer: String,
        /// SentencePiece model of the flores200 tokenizer
        #[arg(long)]
        sentencepiece_model: Option<PathBuf>,
    },
    /// chrF (word order 0) or chrF++ (word order 2), as sacrebleu computes it
    Chrf {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
        /// Longest word n-gram: 0 is chrF, 2 is chrF++
        #[arg(long, default_value_t = 0)]
        word_order: usize,
    },
}

/// What is scored against what.
#[derive(Debug, Args)]
pub struct ScoreFiles {
    /// References, one a line; several files are several references of each line
    #[arg(long, required = true, num_args = 1..)]
    pub references: Vec<PathBuf>,
    /// Hypotheses, one a line
    #[arg(long)]
    pub hypotheses: PathBuf,
    /// Print a JSON object instead of a line
    #[arg(long)]
    pub json: bool,
}
