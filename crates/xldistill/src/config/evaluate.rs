//! `[evaluate]`: what is measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use evaluation::{suite::EvaluateConfig, task::translation::AnswerPart};
use serde::{Deserialize, Serialize};

use super::WeightPrecision;

/// `[evaluate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Held-out questions with reference answers (JSONL of id, question, answer), by language.
    pub questions: BTreeMap<Language, PathBuf>,
    /// Held-out sentence pairs with each target language (source TAB target).
    pub pairs: BTreeMap<Language, PathBuf>,
    /// Plain text by language, a passage a line; the sentences of the pairs where none is named.
    pub texts: BTreeMap<Language, PathBuf>,
    /// Only so many questions, pairs and passages.
    pub limit: Option<usize>,
    /// Most tokens of an answer or translation.
    pub max_new_tokens: usize,
    /// How the models' weights are held.
    pub precision: WeightPrecision,
    /// Questions answered side by side.
    pub batch_size: usize,
    /// How much of an answer counts as a translation.
    pub translation_answer: AnswerPart,
    /// BLEU's tokenizer: 13a, intl, char, zh, none or flores200.
    pub bleu_tokenizer: String,
    /// The SentencePiece model of flores200.
    pub bleu_tokenizer_model: Option<PathBuf>,
    /// The share of an answer that must stand in its question to be a copy of it.
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
            limit: None,
            max_new_tokens: 96,
            precision: WeightPrecision::F32,
            batch_size,
            translation_answer,
            bleu_tokenizer,
            bleu_tokenizer_model,
            copied_share,
        }
    }
}

impl Evaluate {
    /// How the tasks are run and scored.
    pub fn tasks(&self) -> EvaluateConfig {
        EvaluateConfig {
            batch_size: self.batch_size,
            translation_answer: self.translation_answer,
            bleu_tokenizer: self.bleu_tokenizer.clone(),
            bleu_tokenizer_model: self.bleu_tokenizer_model.clone(),
            copied_share: self.copied_share,
            ..EvaluateConfig::default()
        }
    }
}
