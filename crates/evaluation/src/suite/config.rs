//! What an evaluation is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::significance::Resampling;
use crate::task::translation::AnswerPart;

/// How the tasks are run and scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// Documents given to the model at once; part of the results, as it decides the batches.
    pub batch_size: usize,
    /// How much of an answer counts as a translation.
    pub translation_answer: AnswerPart,
    /// BLEU's tokenizer: `13a`, `intl`, `char`, `zh`, `none`, `flores101`, `flores200`.
    pub bleu_tokenizer: String,
    /// The SentencePiece model of `flores101` and `flores200`.
    pub bleu_tokenizer_model: Option<PathBuf>,
    /// The share of an answer that must stand in its question to be a copy of it.
    pub copied_share: f64,
    /// Bootstrap of the intervals.
    pub resampling: Resampling,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            batch_size: 16,
            translation_answer: AnswerPart::default(),
            bleu_tokenizer: "13a".to_owned(),
            bleu_tokenizer_model: None,
            copied_share: 0.8,
            resampling: Resampling::default(),
        }
    }
}
