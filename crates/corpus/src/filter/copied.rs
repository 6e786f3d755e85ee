//! Translations that copy their source.

use super::Rule;
use super::pair::Pair;
use crate::chrf::{self, BETA, CHAR_ORDER, ChrfStatistics};

/// Maximum number of words of a text that may equal its translation, as names do.
const NAME_WORDS: usize = 3;

/// The translation repeats the source (Zeng et al. 2021: identical source and target).
///
/// Quality estimators accept copies between close languages (COMET gives Spanish as Catalan 0.82),
/// so this rule cannot be left to them.
pub(super) struct SourceCopied {
    /// chrF from which the translation counts as a copy.
    pub(super) max_similarity: f64,
}

impl Rule for SourceCopied {
    fn reason(&self) -> &'static str {
        "source_copied"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_source_similarity")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let (source, translation) = (&pair.source.plain, &pair.translation.plain);
        // Cheaper, and enough for most translations; the margin is for rounding.
        if chrf::upper_bound(translation, source, BETA) < self.max_similarity - 1e-6
            || pair.source.words().len() <= NAME_WORDS
        {
            return None;
        }
        let similarity = ChrfStatistics::new(translation, source, CHAR_ORDER, 0).score(BETA);
        (similarity >= self.max_similarity)
            .then(|| format!("chrF {similarity:.1} against the source"))
    }
}
