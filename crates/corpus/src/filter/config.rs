//! Thresholds of the filter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::{ConfigError, Ranges, with_percent};

/// Thresholds of the filter; every key has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Minimum estimated quality of a translation. `{ quantile = 0.1 }` is the score below which a
    /// tenth of the human translations in `evaluate.pairs` are, separately for each direction.
    /// `xldistill calibrate CONFIG` shows the effect of either.
    #[schemars(extend("default-text" = "0.8, or 0.4 for the round-trip estimate"))]
    pub min_quality: Option<MinQuality>,
    /// Minimum probability of an identified language for a text to be rejected as wrong language. With
    /// 1, none is.
    #[schemars(extend("default-text" = "0.5, or 0.9 for whatlang"))]
    pub min_language_probability: Option<f64>,
    /// Similarity to the source (chrF, 1 to 100) from which a translation is rejected as copied.
    pub max_source_similarity: f64,
    /// Maximum number of consecutive words that a translation may share with its source. 8 is
    /// longer than most names and titles.
    pub max_copied_words: Option<usize>,
    /// Maximum ratio between the numbers of words of both sides, with tolerance for short texts.
    pub max_length_ratio: f64,
    /// Maximum ratio between the numbers of sentences of both sides.
    pub max_sentence_ratio: f64,
    /// Maximum number of letters in a word (Zeng et al. 2021).
    pub max_word_length: usize,
    /// Minimum share of letters in the script of the target language.
    pub min_script_share: f64,
    /// Maximum share of missing numbers, among those with two or more digits.
    pub max_lost_numbers: f64,
}

impl FilterConfig {
    /// Checks every value's range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ranges = Ranges("filter");
        match self.min_quality {
            Some(MinQuality::Quantile { quantile }) => {
                ranges.fraction("min_quality.quantile", quantile)?;
            }
            Some(MinQuality::Score(score)) => {
                // Some COMET models score below 0.
                let within = score.is_finite() && score <= 1.0;
                let expected = with_percent("at most 1, the best score", score);
                ranges.check("min_quality", score, within, expected)?;
            }
            None => {}
        }
        if let Some(probability) = self.min_language_probability {
            ranges.share("min_language_probability", probability)?;
        }
        let similarity = self.max_source_similarity;
        let within = (1.0..=100.0).contains(&similarity);
        let expected = "between 1 and 100, since chrF is in percent: 85, not 0.85";
        ranges.check("max_source_similarity", similarity, within, expected)?;
        if let Some(words) = self.max_copied_words {
            ranges.count("max_copied_words", words)?;
        }
        ranges.ratio("max_length_ratio", self.max_length_ratio)?;
        ranges.ratio("max_sentence_ratio", self.max_sentence_ratio)?;
        ranges.count("max_word_length", self.max_word_length)?;
        ranges.share("min_script_share", self.min_script_share)?;
        ranges.share("max_lost_numbers", self.max_lost_numbers)
    }
}

/// The minimum quality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "min_quality is a number, or { quantile = 0.1 }: the score below which this share of human translations is"
)]
pub enum MinQuality {
    /// A score on the estimator's scale.
    Score(f64),
    /// The score below which this share of the human translations of the direction are
    /// ([`crate::calibration`]).
    Quantile {
        /// The share.
        quantile: f64,
    },
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            min_quality: None,
            min_language_probability: None,
            max_source_similarity: 85.0,
            max_copied_words: None,
            max_length_ratio: 2.5,
            max_sentence_ratio: 2.0,
            max_word_length: 40,
            min_script_share: 0.5,
            max_lost_numbers: 0.34,
        }
    }
}
