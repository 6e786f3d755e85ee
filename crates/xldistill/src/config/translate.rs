//! `[translate]`: what translates.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use engines::http_translator::LanguageCodes;
use models::beam_search;
use serde::{Deserialize, Serialize};

use super::WeightPrecision;

/// `[translate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Translate {
    /// Which engine.
    pub engine: TranslateEngine,
    /// firefox: its model from the source language into each target language.
    pub models: BTreeMap<Language, PathBuf>,
    /// firefox: its model from each target language back into the source language: for the
    /// round-trip quality estimate and for induced dictionaries.
    pub reverse_models: BTreeMap<Language, PathBuf>,
    /// nllb: directory of the model, which serves all directions; llm: the LLM, the run's own where
    /// none is named.
    pub model: Option<PathBuf>,
    /// nllb, llm: how weights are held and multiplied.
    pub precision: WeightPrecision,
    /// nllb: beams of the search.
    pub beam_size: usize,
    /// nllb: exponent of the length that scores are divided by.
    pub length_penalty: f64,
    /// nllb: when a search ends that has found as many translations as it has beams.
    pub early_stopping: EarlyStopping,
    /// nllb: no run of so many tokens occurs twice in a translation; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// nllb: above 1, tokens that occurred already become less probable.
    pub repetition_penalty: f32,
    /// llm, openai: how many pairs of the parallel corpus the LLM is shown before each sentence.
    pub examples: usize,
    /// nllb, llm, openai: most tokens of a translated sentence.
    pub max_new_tokens: usize,
    /// http, openai: address of the server.
    pub url: Option<String>,
    /// http, openai: the model's name at the server.
    pub server_model: Option<String>,
    /// http: how the server names languages.
    pub language_codes: LanguageCodes,
    /// http: sentences in a request; nllb, llm: sentences translated side by side.
    pub batch_size: usize,
    /// http, openai: most requests at a time.
    pub in_flight: usize,
    /// http, openai: longest time of a request.
    pub timeout_seconds: u64,
    /// http, openai: how often a failed request is tried again.
    pub retries: usize,
    /// File of the translations that are shared between runs; none where it is not named.
    pub cache: Option<PathBuf>,
}

impl Default for Translate {
    fn default() -> Self {
        Self {
            engine: TranslateEngine::Firefox,
            models: BTreeMap::new(),
            reverse_models: BTreeMap::new(),
            model: None,
            precision: WeightPrecision::Bf16,
            beam_size: 4,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::WhenUnlikely,
            no_repeat_ngram_size: 0,
            repetition_penalty: 1.0,
            examples: 0,
            max_new_tokens: 256,
            url: None,
            server_model: None,
            language_codes: LanguageCodes::Iso,
            batch_size: 32,
            in_flight: 8,
            timeout_seconds: 120,
            retries: 5,
            cache: None,
        }
    }
}

/// When a beam search ends that has found as many translations as it has beams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStopping {
    /// When the best running beam, at its present length, could not enter them.
    WhenUnlikely,
    /// At once.
    AtOnce,
    /// When the best running beam, at the length that favours it most, could not enter them.
    Never,
}

impl From<EarlyStopping> for beam_search::EarlyStopping {
    fn from(choice: EarlyStopping) -> Self {
        match choice {
            EarlyStopping::WhenUnlikely => Self::WhenUnlikely,
            EarlyStopping::AtOnce => Self::AtOnce,
            EarlyStopping::Never => Self::Never,
        }
    }
}

/// Translation engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslateEngine {
    /// Firefox/Bergamot student models.
    #[default]
    Firefox,
    /// NLLB-200: one model of all directions.
    Nllb,
    /// A server of NeMo Curator's `nmt` contract.
    Http,
    /// An LLM on this machine: the run's own, or another.
    Llm,
    /// An LLM behind a server that speaks the OpenAI chat API.
    #[serde(rename = "openai")]
    OpenAi,
}

impl TranslateEngine {
    /// Whether thousands of single words are translated in no time, as a dictionary is induced.
    pub fn is_cheap_on_words(self) -> bool {
        match self {
            TranslateEngine::Firefox | TranslateEngine::Http => true,
            TranslateEngine::Nllb | TranslateEngine::Llm | TranslateEngine::OpenAi => false,
        }
    }
}
