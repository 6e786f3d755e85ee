//! A metric's score of a corpus, with its signature and confidence interval.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metric::{Metric, MetricError, SegmentStatistics, Signature, segment_statistics};
use crate::significance::{Confidence, Resampling, confidence};

/// A score with the signature that makes it reproducible.
///
/// Serialised like sacrebleu's JSON: `name`, `score`, `signature`, `verbose_score`, and each part
/// of the signature as a separate key.
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
    /// 95 % interval, if resampling was requested.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub confidence: Option<Confidence>,
    /// The signature's parts.
    #[serde(flatten)]
    pub parts: Signature,
    /// Number of decimals when printed.
    #[serde(skip)]
    digits: usize,
}

/// sacrebleu's line: `NAME|SIGNATURE = SCORE (μ = MEAN ± HALF WIDTH) VERBOSE`.
impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits;
        write!(
            formatter,
            "{}|{} = {:.digits$}",
            self.name, self.signature, self.score
        )?;
        if let Some(Confidence {
            mean, half_width, ..
        }) = &self.confidence
        {
            write!(formatter, " (μ = {mean:.digits$} ± {half_width:.digits$})")?;
        }
        match &self.verbose_score {
            Some(verbose) => write!(formatter, " {verbose}"),
            None => Ok(()),
        }
    }
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

/// The same from the statistics of every segment, counted with this number of references.
pub fn score_of(
    metric: &dyn Metric,
    statistics: &SegmentStatistics,
    references: usize,
    resampling: Option<&Resampling>,
) -> Score {
    let (sums, aggregate) = (statistics.sums(), metric.aggregate());
    let mut signature = metric.signature(references);
    let confidence = resampling.map(|resampling| {
        signature.resampled(resampling.samples, resampling.seed);
        confidence(statistics, &aggregate, resampling)
    });
    Score {
        name: metric.name(),
        score: aggregate.score(&sums),
        signature: signature.to_string(),
        verbose_score: metric.verbose(&sums),
        confidence,
        parts: signature,
        digits: metric.digits(),
    }
}
