//! Lost or invented sentences.

use super::Rule;
use super::pair::Pair;

/// Number of sentences below which counting says nothing.
const FEW: usize = 3;

/// One side has too many sentences for the other.
pub(super) struct SentenceCount {
    /// Maximum ratio.
    pub(super) max_ratio: f64,
}

impl Rule for SentenceCount {
    fn reason(&self) -> &'static str {
        "sentence_count"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_sentence_ratio")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let (source, translation) = (pair.source.prose.len(), pair.translation.prose.len());
        let (fewer, more) = (source.min(translation), source.max(translation));
        (more >= FEW && more as f64 > self.max_ratio * fewer as f64)
            .then(|| format!("{source} sentences became {translation}"))
    }
}
