//! Translations much longer or shorter than their source.

use super::Rule;
use super::pair::Pair;

/// Words added to both sides, so that `Yes` may become `É verdade`.
const SLACK: f64 = 3.0;

/// One side has too many words for the other (Zeng et al. 2021).
pub(super) struct LengthRatio {
    /// Maximum ratio.
    pub(super) max: f64,
}

impl Rule for LengthRatio {
    fn reason(&self) -> &'static str {
        "length_ratio"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_length_ratio")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let (source, translation) = (pair.source.words().len(), pair.translation.words().len());
        let (a, b) = (source as f64 + SLACK, translation as f64 + SLACK);
        (a.max(b) / a.min(b) > self.max).then(|| format!("{source} words became {translation}"))
    }
}
