//! Thresholds of the filter.

use serde::{Deserialize, Serialize};

/// Thresholds of the filter; every key has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Lowest quality that passes; by default [`default_min_quality`] of the engine.
    pub min_quality: Option<MinQuality>,
    /// Probability from which a language identifier's word against the expected language counts; by
    /// default [`default_min_language_probability`] of the engine.
    pub min_language_probability: Option<f64>,
    /// chrF of the translation against its source from which it counts as copied, 0 to 100.
    pub max_source_similarity: f64,
    /// Most words of one side for a word of the other; short texts get some slack.
    pub max_length_ratio: f64,
    /// Most sentences of one side for a sentence of the other.
    pub max_sentence_ratio: f64,
    /// Most letters of a word (Zeng et al. 2021).
    pub max_word_length: usize,
    /// Least share of letters in the target language's script.
    pub min_script_share: f64,
    /// Largest share of the numbers of two and more digits that may be missing.
    pub max_lost_numbers: f64,
}

/// The lowest quality that passes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "min_quality is a number, or { quantile = 0.1 }: the score below which this share of human translations is"
)]
pub enum MinQuality {
    /// A score on the estimator's own scale.
    Score(f64),
    /// The score below which this share of human translations of the same direction is
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
            max_length_ratio: 2.5,
            max_sentence_ratio: 2.0,
            max_word_length: 40,
            min_script_share: 0.5,
            max_lost_numbers: 0.34,
        }
    }
}

/// The lowest quality that passes where the config names none: 0.8 as in the paper for CometKiwi
/// and estimators on its scale; 0.4 for round-trip chrF.
///
/// Measured for round-trip chrF on 200 sentences of FLORES devtest, English to Portuguese with the
/// Firefox models: of human translations 1 % score below 0.32 and 5 % below 0.44, of the models'
/// own 1 % below 0.50; human translations cut in half have a median of 0.38, and 99 % of unrelated
/// sentences score below 0.41.
pub fn default_min_quality(engine: &str) -> f64 {
    match engine {
        "round-trip-chrf" => 0.4,
        _ => 0.8,
    }
}

/// The probability from which an identifier's word counts where the config names none: 0.9 for
/// whatlang, 0.5 for the others.
///
/// Of 33 texts of Alpaca that whatlang's word rejected at 0.5, read by eye, about 7 were faulty: it
/// takes short Portuguese for Spanish and lists of names for Italian. Those it was sure of to 0.9
/// were 4.
pub fn default_min_language_probability(engine: &str) -> f64 {
    match engine {
        "whatlang" => 0.9,
        _ => 0.5,
    }
}
