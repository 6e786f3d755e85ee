//! `[evaluate]`: evaluation before and after.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::source::ParallelSource;
use engines::comet_kiwi::CometKiwiConfig;
use engines::identifier::IdentifyEngine;
use evaluation::{
    benchmarks::BenchmarkConfig, material::MaterialPaths, suite::EvaluateConfig,
    task::generation::AnswerPart,
};
use kernels::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[evaluate]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Held-out questions by language: JSONL of `{"id", "question", "answer"}`, or as MultilingualSIFT,
    /// Dolly and Bactrian-X are published.
    pub questions: BTreeMap<Language, FilePath>,
    /// Held-out sentence pairs with each target language, in the formats of `data.parallel`.
    pub pairs: BTreeMap<Language, ParallelSource>,
    /// Text by language for perplexity, one passage per line: text files, also compressed with gzip.
    #[schemars(extend("default-text" = "sentences of the pairs"))]
    pub texts: BTreeMap<Language, FilePath>,
    /// Published test sets, each a table `[[evaluate.benchmarks]]`.
    pub benchmarks: Vec<BenchmarkConfig>,
    /// The identifier of the languages of answers, with the keys of `[identify]`. One that did not
    /// filter the training data is a better judge.
    #[schemars(extend("default-text" = "that of `[identify]`"))]
    pub identify: Option<IdentifyEngine>,
    /// COMET as a measure of translations.
    ///
    /// Scores, times 100, of the translations of held-out pairs and FLORES, by wmt22-comet-da or
    /// another COMET model. A reference-free one works, too, and is labelled as such. It is loaded
    /// after the LLM has left memory. If only this section changes, finished translations are
    /// scored without the LLM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comet: Option<CometKiwiConfig>,
    /// Maximum number of rows of each task: questions, pairs or passages of a file, and the run's own
    /// test rows of each subset and language.
    pub limit: Option<usize>,
    /// Maximum number of tokens of an answer or translation.
    pub max_new_tokens: usize,
    /// Number format of the models' weights.
    pub precision: Precision,
    /// Number of questions answered in parallel.
    pub batch_size: usize,
    /// The part of an answer that counts as the translation.
    pub translation_answer: AnswerPart,
    /// BLEU's tokenizer: `13a`, `intl`, `char`, `zh`, `none`, `flores200` or `auto`: `zh` for Chinese,
    /// `char` for Japanese, Korean and other languages written without spaces, otherwise `13a`.
    pub bleu_tokenizer: String,
    /// SentencePiece model of `flores200`.
    #[schemars(extend("default-text" = "where sacrebleu keeps it"))]
    pub bleu_tokenizer_model: Option<FilePath>,
    /// Share of an answer that must occur in its question for the answer to count as a copy.
    pub copied_share: f64,
}

impl Default for Evaluate {
    fn default() -> Self {
        let EvaluateConfig {
            batch_size,
            translation_answer,
            bleu_tokenizer,
            bleu_tokenizer_model,
            copied_share,
            ..
        } = EvaluateConfig::default();
        Self {
            questions: BTreeMap::new(),
            pairs: BTreeMap::new(),
            texts: BTreeMap::new(),
            benchmarks: Vec::new(),
            identify: None,
            comet: None,
            limit: None,
            max_new_tokens: 96,
            precision: Precision::F32,
            batch_size,
            translation_answer,
            bleu_tokenizer,
            bleu_tokenizer_model: bleu_tokenizer_model.map(FilePath::from),
            copied_share,
        }
    }
}

impl Evaluate {
    /// Settings of tasks and scores.
    pub fn tasks(&self) -> EvaluateConfig {
        EvaluateConfig {
            batch_size: self.batch_size,
            translation_answer: self.translation_answer,
            bleu_tokenizer: self.bleu_tokenizer.clone(),
            bleu_tokenizer_model: self.bleu_tokenizer_model.clone().map(Into::into),
            copied_share: self.copied_share,
            ..EvaluateConfig::default()
        }
    }

    /// Whether no material is named: then only the held-out part of the transfer set is evaluated.
    pub fn names_nothing(&self) -> bool {
        self.questions.is_empty()
            && self.pairs.is_empty()
            && self.texts.is_empty()
            && self.benchmarks.is_empty()
    }

    /// The files of the held-out material; `source` is the first language of the pairs.
    pub fn material(&self, source: Language) -> MaterialPaths {
        MaterialPaths {
            questions: paths(&self.questions),
            pairs: self.pairs.clone(),
            texts: paths(&self.texts),
            benchmarks: self.benchmarks.clone(),
            bleu_tokenizer: self.bleu_tokenizer.clone(),
            bleu_tokenizer_model: self.bleu_tokenizer_model.clone().map(Into::into),
            limit: self.limit,
            ..MaterialPaths::new(source)
        }
    }
}

fn paths(files: &BTreeMap<Language, FilePath>) -> BTreeMap<Language, PathBuf> {
    let paths = files.iter();
    paths
        .map(|(&language, file)| (language, file.to_path_buf()))
        .collect()
}
