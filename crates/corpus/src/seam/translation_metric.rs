//! What an evaluation asks of a learned metric of translations.

use super::{EngineError, EngineIdentity};
use crate::language::Language;

/// A translation to be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoredTranslation<'t> {
    /// The source text.
    pub source: &'t str,
    /// Its translation.
    pub translation: &'t str,
    /// A human translation of the source, which a metric without references ignores.
    pub reference: &'t str,
}

/// A learned metric of translations, e.g. COMET.
pub trait TranslationMetric: Send + Sync {
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// Whether it compares translations with references.
    fn compares_with_references(&self) -> bool;
    /// One score per translation, in order, higher is better. About 0 to 1, but not bounded.
    fn score(
        &self,
        translations: &[ScoredTranslation<'_>],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError>;
}
