//! Options of a beam search, named as in Transformers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a search ends once it has as many finished hypotheses as beams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStopping {
    /// When the best running beam, at its present length, cannot become one of them (`False` in
    /// Transformers).
    #[default]
    WhenUnlikely,
    /// At once (`True` in Transformers).
    AtOnce,
    /// When the best running beam cannot become one of them at any length (`"never"` in
    /// Transformers).
    Never,
}

/// How hypotheses are searched. Defaults are those of NLLB's use: four beams, no penalties.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamOptions {
    /// Beams a sentence; 1 is a greedy search.
    pub beam_size: usize,
    /// Tokens after the decoder's start token at which a hypothesis is cut off.
    pub max_new_tokens: usize,
    /// Tokens after the decoder's start token before which none may end.
    pub min_new_tokens: usize,
    /// Exponent of the length that scores are divided by: above 0 favours longer hypotheses.
    pub length_penalty: f64,
    /// When a search ends.
    pub early_stopping: EarlyStopping,
    /// No run of so many tokens occurs twice in a hypothesis; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// Above 1, tokens that occurred already become less probable (Keskar et al. 2019, arXiv
    /// 1909.05858).
    pub repetition_penalty: f32,
    /// First token after the start token: the target language.
    pub forced_bos: Option<u32>,
    /// Last token of a hypothesis that reaches `max_new_tokens`.
    pub forced_eos: Option<u32>,
    /// Sentences searched side by side.
    pub batch_size: usize,
}

impl Default for BeamOptions {
    fn default() -> Self {
        Self {
            beam_size: 4,
            max_new_tokens: 256,
            min_new_tokens: 0,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::WhenUnlikely,
            no_repeat_ngram_size: 0,
            repetition_penalty: 1.0,
            forced_bos: None,
            forced_eos: None,
            batch_size: 32,
        }
    }
}

/// Why options are refused.
#[derive(Debug, thiserror::Error)]
#[error("{key} is {value}, but must be {allowed}")]
pub struct OptionsError {
    /// Name of the option.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl BeamOptions {
    /// Fails where a value has no meaning.
    pub fn check(&self) -> Result<(), OptionsError> {
        let refuse = |key, value: String, allowed| {
            Err(OptionsError {
                key,
                value,
                allowed,
            })
        };
        if !(1..=1024).contains(&self.beam_size) {
            let value = self.beam_size.to_string();
            return refuse("beam_size", value, "between 1 and 1024");
        }
        if self.max_new_tokens == 0 {
            return refuse("max_new_tokens", "0".into(), "at least 1");
        }
        if self.batch_size == 0 {
            return refuse("batch_size", "0".into(), "at least 1");
        }
        if !self.length_penalty.is_finite() {
            let value = self.length_penalty.to_string();
            return refuse("length_penalty", value, "a finite number");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            let value = self.repetition_penalty.to_string();
            return refuse("repetition_penalty", value, "a number above 0");
        }
        Ok(())
    }

    /// Best tokens of a beam that can matter: twice as many as beams, since half may end.
    pub(super) fn candidates(&self) -> usize {
        match self.beam_size {
            1 => 1,
            beams => 2 * beams,
        }
    }
}
