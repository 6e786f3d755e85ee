//! Metrics: what is counted per segment, how the sums become a score, and the signature that says
//! how a number was made.
//!
//! A metric counts **sufficient statistics** per segment, an additive row of numbers. A score is
//! a function of their sum ([`Aggregate`]), so that a corpus score, a bootstrap resample and a
//! permutation are all the same cheap operation, and statistics stored in a file can be
//! resampled later without the metric that counted them.

mod aggregate;
pub mod bleu;
pub mod chrf;
mod signature;
pub mod tokenizer;

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) use aggregate::add;
pub use aggregate::{Aggregate, SegmentStatistics};
pub use signature::Signature;

use crate::significance::{Confidence, Resampling};

/// The sacrebleu release that BLEU and chrF are tested equal to.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// A metric over pairs of a hypothesis and its references.
pub trait Metric: Sync {
    /// Name as printed, e.g. `BLEU`, `chrF2++`.
    fn name(&self) -> String;
    /// Additive statistics of one segment; every segment gives a row of the same width.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64>;
    /// How summed statistics become the score.
    fn aggregate(&self) -> Aggregate;
    /// What was computed, with `references` references a segment.
    fn signature(&self, references: usize) -> Signature;
    /// The parts the score is made of, where the metric has a customary line for them.
    fn verbose(&self, _sums: &[f64]) -> Option<String> {
        None
    }
}

/// One number with the signature that makes it reproducible.
///
/// Serialises as sacrebleu's JSON does: `name`, `score`, `signature`, `verbose_score`, and the
/// parts of the signature as keys of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Name of the metric.
    pub name: String,
    /// The score, in the metric's usual unit (0 to 100 for BLEU and chrF).
    pub score: f64,
    /// sacrebleu's signature string.
    pub signature: String,
    /// n-gram precisions, brevity penalty and lengths for BLEU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbose_score: Option<String>,
    /// 95 % interval, where resampling was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub confidence: Option<Confidence>,
    /// The signature's parts.
    #[serde(flatten)]
    pub parts: Signature,
}

/// sacrebleu's line: `NAME|SIGNATURE = SCORE (μ = MEAN ± HALF WIDTH) VERBOSE`.
impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}|{} = {:.2}",
            self.name, self.signature, self.score
        )?;
        if let Some(Confidence {
            mean, half_width, ..
        }) = &self.confidence
        {
            write!(formatter, " (μ = {mean:.2} ± {half_width:.2})")?;
        }
        match &self.verbose_score {
            Some(verbose) => write!(formatter, " {verbose}"),
            None => Ok(()),
        }
    }
}

/// Why a metric could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// A reference stream is not as long as the hypotheses.
    #[error(
        "reference stream {stream} has {references} lines but there are {hypotheses} hypotheses; \
         both need one segment a line"
    )]
    LengthMismatch {
        /// 1-based number of the stream.
        stream: usize,
        /// Its length.
        references: usize,
        /// Number of hypotheses.
        hypotheses: usize,
    },
    /// No hypothesis or no reference stream.
    #[error("nothing to score: no {0}")]
    Empty(&'static str),
    /// A tokenizer that does not exist or lacks its model.
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::TokenizerError),
}

/// Statistics of every segment. `references` holds streams: the first reference of every
/// segment, the second of every segment, ...
pub fn segment_statistics<H, R>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &[Vec<R>],
) -> Result<SegmentStatistics, MetricError>
where
    H: AsRef<str> + Sync,
    R: AsRef<str> + Sync,
{
    if hypotheses.is_empty() {
        return Err(MetricError::Empty("hypothesis"));
    }
    if references.is_empty() {
        return Err(MetricError::Empty("reference"));
    }
    for (index, stream) in references.iter().enumerate() {
        if stream.len() != hypotheses.len() {
            return Err(MetricError::LengthMismatch {
                stream: index + 1,
                references: stream.len(),
                hypotheses: hypotheses.len(),
            });
        }
    }
    let rows: Vec<Vec<f64>> = (0..hypotheses.len())
        .into_par_iter()
        .map(|segment| {
            let references: Vec<&str> = references
                .iter()
                .map(|stream| stream[segment].as_ref())
                .collect();
            metric.statistics(hypotheses[segment].as_ref(), &references)
        })
        .collect();
    Ok(SegmentStatistics::from_rows(rows))
}

/// The corpus score; with `resampling`, also its 95 % bootstrap interval.
pub fn corpus_score<H, R>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &[Vec<R>],
    resampling: Option<&Resampling>,
) -> Result<Score, MetricError>
where
    H: AsRef<str> + Sync,
    R: AsRef<str> + Sync,
{
    let statistics = segment_statistics(metric, hypotheses, references)?;
    Ok(score_of(metric, &statistics, references.len(), resampling))
}

/// The score of one segment. BLEU should have its effective order switched on for this.
pub fn sentence_score(
    metric: &dyn Metric,
    hypothesis: &str,
    references: &[&str],
) -> Result<Score, MetricError> {
    if references.is_empty() {
        return Err(MetricError::Empty("reference"));
    }
    let statistics = SegmentStatistics::from_rows(vec![metric.statistics(hypothesis, references)]);
    Ok(score_of(metric, &statistics, references.len(), None))
}

/// The score of counted statistics.
pub fn score_of(
    metric: &dyn Metric,
    statistics: &SegmentStatistics,
    references: usize,
    resampling: Option<&Resampling>,
) -> Score {
    let (sums, aggregate) = (statistics.sums(), metric.aggregate());
    let mut signature = metric.signature(references);
    let confidence = resampling.map(|resampling| {
        signature.resampled(resampling);
        crate::significance::confidence(statistics, &aggregate, resampling)
    });
    Score {
        name: metric.name(),
        score: aggregate.score(&sums),
        signature: signature.to_string(),
        verbose_score: metric.verbose(&sums),
        confidence,
        parts: signature,
    }
}
