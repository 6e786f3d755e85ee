//! Quality estimation with CometKiwi, and COMET scores if there are references.
//!
//! A text too long for the encoder is never truncated: it is scored sentence by sentence, and its
//! score is the mean of these, weighted by the number of pieces of the translation.

mod config;
mod metric;
mod parts;

use std::path::Path;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, QualityEstimator};
use models::comet::{CometModel, CometOptions, EncodedSample, MetricClass, Sample, Transformation};
use models::{ComputeDevice, ModelIdentity, Precision};

pub use self::config::CometKiwiConfig;
pub use self::metric::CometMetric;

use self::parts::Parts;

/// Name of the engine in manifests.
const ENGINE: &str = "cometkiwi";

/// Name of all these metrics in messages.
const COMET: &str = "comet";

/// A COMET metric in this process.
pub struct CometKiwi {
    model: CometModel,
    weights: Precision,
}

impl CometKiwi {
    /// Loads the metric at `path` (see [`CometModel::load`]).
    pub fn load(
        path: &Path,
        options: &CometOptions,
        device: ComputeDevice,
    ) -> Result<Self, EngineError> {
        let device = device.open().map_err(failed)?;
        let model = CometModel::load(path, options, &device).map_err(failed)?;
        let weights = options.weights;
        Ok(Self { model, weights })
    }

    /// Like [`CometKiwi::load`], but fails for a metric that needs references.
    pub fn load_reference_free(
        path: &Path,
        options: &CometOptions,
        device: ComputeDevice,
    ) -> Result<Self, EngineError> {
        let metric = Self::load(path, options, device)?;
        refuse_references(path, metric.model.needs_reference())?;
        Ok(metric)
    }

    /// The metric.
    pub fn model(&self) -> &CometModel {
        &self.model
    }

    /// Scores of translations from `from` into `to`, in order; references are in `to` as well.
    pub fn score(
        &self,
        samples: &[Sample<'_>],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        let mut encoded = Vec::with_capacity(samples.len());
        let mut counts = Vec::with_capacity(samples.len());
        let mut parts = Parts::new(&self.model, from, to);
        for sample in samples {
            let before = encoded.len();
            parts.add(*sample, &mut encoded).map_err(failed)?;
            counts.push(encoded.len() - before);
        }
        let scores = self.model.score(&encoded).map_err(failed)?;
        let mut scored = encoded.iter().zip(scores);
        Ok(counts
            .into_iter()
            .map(|count| mean(scored.by_ref().take(count)))
            .collect())
    }
}

/// Mean of the scores, each weighted by the number of pieces of its translation.
fn mean<'a>(parts: impl Iterator<Item = (&'a EncodedSample, f32)>) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (part, score) in parts {
        let weight = part.translation_pieces.max(1) as f64;
        sum += weight * f64::from(score);
        total += weight;
    }
    sum / total
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError::new(COMET, error.to_string())
}

/// Fails if a metric that compares with references is to work without them.
fn refuse_references(path: &Path, needs_reference: bool) -> Result<(), EngineError> {
    match needs_reference {
        false => Ok(()),
        true => Err(failed(format!(
            "{} compares translations with references, of which there are none here; use \
             wmt22-cometkiwi-da or another reference-free metric",
            path.display()
        ))),
    }
}

fn identity(
    model: &ModelIdentity,
    class: MetricClass,
    transformation: Transformation,
    weights: Precision,
) -> EngineIdentity {
    let class = match class {
        MetricClass::Unified => "unified_metric",
        MetricClass::Regression => "regression_metric",
        MetricClass::Referenceless => "referenceless_regression_metric",
    };
    // Implementations of one checkpoint differ in this: scores are comparable only within it.
    let transformation = match transformation {
        Transformation::Softmax => "softmax",
        Transformation::Sparsemax => "sparsemax",
    };
    EngineIdentity {
        engine: ENGINE.into(),
        model: model.path.display().to_string(),
        revision: model.revision.clone(),
        parameters: format!("impl:xldistill {class} layers:{transformation} weights:{weights:?}"),
        licence: model.licence.clone(),
    }
}

impl QualityEstimator for CometKiwi {
    fn identity(&self) -> EngineIdentity {
        let model = &self.model;
        identity(
            model.identity(),
            model.class(),
            model.transformation(),
            self.weights,
        )
    }

    fn estimate(
        &self,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        let samples: Vec<Sample<'_>> = pairs
            .iter()
            .map(|(source, translation)| Sample {
                source,
                translation,
                reference: None,
            })
            .collect();
        self.score(&samples, from, to)
    }
}
