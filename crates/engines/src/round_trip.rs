//! Translation quality without a quality model: translate back and compare with the source.
//!
//! The score is chrF of the back-translation against the source, in [0, 1]. It sees content that
//! was lost, invented or never translated, and punishes paraphrase; human translations of FLORES
//! score well below 1, so the threshold is an engine's own (`corpus::filter`).

use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics};
use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, QualityEstimator, Translator};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::Segmenter;
use corpus::translate::translate_texts;

/// chrF between a source and its translation translated back.
pub struct RoundTripChrf<T> {
    back: T,
}

impl<T: Translator> RoundTripChrf<T> {
    /// An estimator that translates back with `back`, a translator of the reverse direction.
    pub fn new(back: T) -> Self {
        Self { back }
    }
}

impl<T: Translator> QualityEstimator for RoundTripChrf<T> {
    fn identity(&self) -> EngineIdentity {
        let back = self.back.identity();
        EngineIdentity {
            engine: "round-trip-chrf".into(),
            parameters: format!(
                "chrF{BETA} nc:{CHAR_ORDER} of {} ({})",
                back.engine, back.parameters
            ),
            ..back
        }
    }

    fn estimate(
        &self,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        let translations: Vec<&str> = pairs
            .iter()
            .map(|(_, translation)| translation.as_str())
            .collect();
        let segmenter = Segmenter::new(to, DEFAULT_PIECES);
        let back = translate_texts(&self.back, &segmenter, &translations, to, from)?;
        let score = |(source, back): (&(String, String), Option<String>)| match back {
            Some(back) => ChrfStatistics::new(&back, &source.0, CHAR_ORDER, 0).score(BETA) / 100.0,
            None => 0.0,
        };
        Ok(pairs.iter().zip(back).map(score).collect())
    }
}
