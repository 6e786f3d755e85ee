//! Arguments of the commands that work on lines of text.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engines::choice::{EngineKeys, Keys, keyed};
use engines::comet_kiwi::CometKiwiConfig;
use engines::identifier::IdentifyEngine;
use engines::translator::TranslateConfig;
use models::ComputeDevice;

use super::keys::{KeyArguments, KeySource};
use super::numbers;

/// `xldistill translate-text`
#[derive(Debug, Args)]
pub struct TranslateTextArguments {
    /// Source language
    #[arg(long)]
    pub from: String,
    /// Target language
    #[arg(long)]
    pub to: String,
    /// The engine and its keys.
    #[command(flatten)]
    pub engine: KeyArguments<TranslateConfig>,
    /// nllb, llm: device: cpu, vulkan, metal, cuda, rocm, wgpu; one of several GPUs as cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// llm, openai: TSV file of sentence pairs for --examples
    #[arg(long, value_name = "FILE")]
    pub parallel: Option<PathBuf>,
    /// Translate each line as it is, without splitting and protection
    #[arg(long)]
    pub raw: bool,
    /// Print a JSON object per line: {"source", "translation"}
    #[arg(long)]
    pub json: bool,
}

impl TranslateTextArguments {
    /// The help of arguments that are not keys of the config.
    pub fn explain(command: clap::Command) -> clap::Command {
        command.mut_arg("model", |model| {
            model.help(
                "firefox: folder of the model; nllb: Hugging Face directory; llm: GGUF file, \
                 Hugging Face directory or PEFT adapter",
            )
        })
    }
}

/// `xldistill identify`
#[derive(Debug, Args)]
pub struct IdentifyArguments {
    /// The engine and its keys.
    #[command(flatten)]
    pub engine: KeyArguments<IdentifyEngine>,
    /// Print the engine's own code and probability for every line, without abstaining
    #[arg(long)]
    pub native_codes: bool,
    /// Print a JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// A COMET model: the only engine of `estimate-quality`.
#[derive(Debug)]
pub struct Comet(pub CometKiwiConfig);

impl KeySource for Comet {
    fn engines() -> Vec<EngineKeys> {
        vec![EngineKeys::of::<CometKiwiConfig>("cometkiwi")]
    }

    fn default_engine() -> &'static str {
        "cometkiwi"
    }

    fn read(keys: Keys) -> Result<Self, serde_json::Error> {
        keyed("estimate_quality", keys).map(Self)
    }
}

/// `xldistill estimate-quality`
#[derive(Debug, Args)]
pub struct EstimateQualityArguments {
    /// The model and its keys.
    #[command(flatten)]
    pub comet: KeyArguments<Comet>,
    /// Device: cpu, vulkan, metal, cuda, rocm, wgpu; one of several GPUs as cuda:1
    #[arg(long, default_value_t)]
    pub device: ComputeDevice,
    /// File of source texts, one per line
    #[arg(long)]
    pub source: PathBuf,
    /// File of translations, one per line
    #[arg(long)]
    pub translation: PathBuf,
    /// File of references, one per line, for metrics that read them
    #[arg(long)]
    pub reference: Option<PathBuf>,
    /// Source language, for splitting texts that are too long for the encoder
    #[arg(long, default_value = "eng_Latn")]
    pub from: String,
    /// Target language, likewise
    #[arg(long, default_value = "eng_Latn")]
    pub to: String,
    /// Print a JSON object per line: {"source", "translation", "score"}
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
        /// Tokenizer: 13a, intl, char, zh, none, flores200, or auto: zh for references in Chinese,
        /// char for other scripts without spaces and for Korean, otherwise 13a
        #[arg(long, default_value = "auto")]
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
        #[arg(long, default_value_t = 0, value_parser = numbers::word_order)]
        word_order: usize,
    },
    /// TER, as sacrebleu computes it
    Ter {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
        /// Count differences of case
        #[arg(long)]
        case_sensitive: bool,
        /// Make punctuation words of its own
        #[arg(long)]
        normalized: bool,
        /// Remove punctuation
        #[arg(long)]
        no_punct: bool,
        /// With --normalized, make Chinese characters words of their own
        #[arg(long)]
        asian_support: bool,
    },
    /// ROUGE F1, as rouge-score and XL-Sum's scorer compute it without stemming
    Rouge {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
        /// What is compared: words (1), pairs of words (2), or the longest common subsequence (l)
        #[arg(long = "type", value_name = "1|2|l", default_value = "l", value_parser = ["1", "2", "l"])]
        unit: String,
        /// Language, for XL-Sum's tokenizer [default: rouge-score's tokenizer, for English]
        #[arg(long)]
        language: Option<String>,
    },
    /// F1 and exact match of short answers, normalised as MKQA's script does
    Mkqa {
        /// File of JSON lines: {"answers": ["…", …], "prediction": "…"}, or an evaluation's
        /// samples_mkqa_LANGUAGE.jsonl
        #[arg(long)]
        predictions: PathBuf,
        /// Language of the answers
        #[arg(long)]
        language: String,
        /// Print a list of JSON objects
        #[arg(long)]
        json: bool,
    },
    /// Share of labels that equal a reference, from 0 to 1
    Accuracy {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
    },
    /// Mean F1 of the labels, from 0 to 1, as scikit-learn's macro average
    MacroF1 {
        /// The files.
        #[command(flatten)]
        files: ScoreFiles,
    },
}

/// Hypotheses and references.
#[derive(Debug, Args)]
pub struct ScoreFiles {
    /// Files of references, one per line; with several files, each line has several references
    #[arg(long, required_unless_present = "samples", num_args = 1..)]
    pub references: Vec<PathBuf>,
    /// Files of hypotheses, one per line; of several systems, each is scored
    #[arg(long, required_unless_present = "samples", num_args = 1..)]
    pub hypotheses: Vec<PathBuf>,
    /// Score the outputs that an evaluation has saved: its samples_TASK.jsonl
    #[arg(long, value_name = "FILE", conflicts_with_all = ["references", "hypotheses"])]
    pub samples: Option<PathBuf>,
    /// Number of bootstrap resamples of a 95 % interval, e.g. 1000
    #[arg(long, value_name = "N", value_parser = numbers::count::<u32>)]
    pub resamples: Option<u32>,
    /// Test every system against the first: bs, paired bootstrap; ar, approximate randomisation
    #[arg(long, value_name = "bs|ar", value_parser = ["bs", "ar"])]
    pub paired: Option<String>,
    /// Print a JSON object instead of a line; of several systems, a list
    #[arg(long)]
    pub json: bool,
}
