//! Settings of an evaluation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::metric::tokenizer::AUTO;
use crate::significance::Resampling;
use crate::task::generation::AnswerPart;

/// Settings of tasks and scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// Number of documents in a batch. Part of the key, because batches can affect results.
    pub batch_size: usize,
    /// The part of an answer that counts as the translation.
    pub translation_answer: AnswerPart,
    /// BLEU's tokenizer: `auto` (that of the target language), `13a`, `intl`, `char`, `zh`, `none`, `flores101`, `flores200`.
    pub bleu_tokenizer: String,
    /// The SentencePiece model of `flores101` and `flores200`.
    pub bleu_tokenizer_model: Option<PathBuf>,
    /// Share of an answer that must occur in its question for the answer to count as a copy.
    pub copied_share: f64,
    /// Bootstrap of the confidence intervals.
    pub resampling: Resampling,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            batch_size: 16,
            translation_answer: AnswerPart::default(),
            bleu_tokenizer: AUTO.to_owned(),
            bleu_tokenizer_model: None,
            copied_share: 0.8,
            resampling: Resampling::default(),
        }
    }
}
