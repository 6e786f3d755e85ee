//! COMET as a metric of an evaluation's translations.

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, ScoredTranslation, TranslationMetric};
use models::ComputeDevice;
use models::comet::Sample;

use super::{COMET, CometKiwi, CometKiwiConfig};
use crate::lazy::Lazy;

/// A COMET metric, with or without references, that is loaded on first use.
pub struct CometMetric {
    metric: Lazy<CometKiwi>,
    reads_reference: bool,
}

impl CometKiwiConfig {
    /// The metric. Reads its configuration and hashes its files, but loads no weights yet.
    pub fn metric(&self, device: ComputeDevice) -> Result<CometMetric, EngineError> {
        let (description, mut metric) = self.lazy(device)?;
        let reads_reference = description.reads_reference();
        if reads_reference {
            metric.identity.engine = COMET.into();
        }
        Ok(CometMetric {
            metric,
            reads_reference,
        })
    }
}

impl TranslationMetric for CometMetric {
    fn identity(&self) -> EngineIdentity {
        self.metric.identity.clone()
    }

    fn compares_with_references(&self) -> bool {
        self.reads_reference
    }

    fn score(
        &self,
        translations: &[ScoredTranslation<'_>],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        let samples: Vec<Sample<'_>> = translations
            .iter()
            .map(
                |&ScoredTranslation {
                     source,
                     translation,
                     reference,
                 }| Sample {
                    source,
                    translation,
                    reference: self.reads_reference.then_some(reference),
                },
            )
            .collect();
        self.metric.get()?.score(&samples, from, to)
    }
}
