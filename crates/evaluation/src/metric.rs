//! Metrics: the statistics counted per segment, the function that turns their sum into a score, and
//! the signature that makes the score reproducible. [`crate::score`] puts them together.
//!
//! A metric counts **sufficient statistics**, an additive row of numbers per segment. A score is a
//! function of their sum ([`Aggregate`]), so a corpus score, a bootstrap resample and a permutation
//! are the same cheap operation, and statistics stored in a file can be resampled later without the
//! metric.

pub mod accuracy;
mod aggregate;
pub mod bleu;
pub mod chrf;
pub mod macro_f1;
pub mod question_answering;
pub mod rouge;
mod signature;
pub mod ter;
pub mod tokenizer;

use rayon::prelude::*;

pub(crate) use aggregate::add;
pub use aggregate::{Aggregate, SegmentStatistics};
pub use signature::Signature;

/// The sacrebleu release that BLEU and chrF are tested against.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// This implementation, for the signatures of measures that sacrebleu lacks.
pub(crate) const IMPLEMENTATION: &str = concat!("xldistill-", env!("CARGO_PKG_VERSION"));

/// A metric of a hypothesis and its references.
pub trait Metric: Sync {
    /// Name as printed, e.g. `BLEU`, `chrF2++`.
    fn name(&self) -> String;
    /// Additive statistics of one segment; every segment gives a row of the same width.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64>;
    /// The function that turns summed statistics into the score.
    fn aggregate(&self) -> Aggregate;
    /// Signature of the score, with `references` references per segment.
    fn signature(&self, references: usize) -> Signature;
    /// The components of the score, if the metric has a customary format for them.
    fn verbose(&self, _sums: &[f64]) -> Option<String> {
        None
    }
    /// Whether a higher score is better.
    fn higher_is_better(&self) -> bool {
        true
    }
    /// Number of decimals of a printed score.
    fn digits(&self) -> usize {
        2
    }
}

/// Error returned when a metric cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// A reference stream and the hypotheses differ in length.
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
