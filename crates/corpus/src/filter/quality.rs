//! Translations with a low quality estimate.

use super::Verdict;
use crate::language::Language;
use crate::rejected::Rejection;
use crate::seam::{EngineError, QualityEstimator};

/// The reason of these rejections.
pub(super) const REASON: &str = "low_quality";

/// Estimates the quality of the `waiting` translations, and rejects those below `min_quality`.
///
/// A text is scored line by line, since estimators read at most a few hundred tokens; its score is
/// the mean over its lines, weighted by their length.
pub(super) fn judge(
    estimator: &dyn QualityEstimator,
    min_quality: f64,
    from: Language,
    to: Language,
    waiting: &mut [(&mut Verdict, &'static str)],
) -> Result<(), EngineError> {
    let mut pairs = Vec::new();
    let mut counts = Vec::with_capacity(waiting.len());
    for (verdict, _) in waiting.iter_mut() {
        let Verdict::Estimate(lines) = verdict else {
            unreachable!("only these wait")
        };
        counts.push(lines.len());
        pairs.append(lines);
    }
    if pairs.is_empty() {
        return Ok(());
    }
    let scores = estimator.estimate(&pairs, from, to)?;
    if scores.len() != pairs.len() {
        let (asked, got) = (pairs.len(), scores.len());
        let engine = estimator.identity().engine;
        return Err(EngineError::new(
            engine,
            format!("returned {got} scores for {asked} pairs"),
        ));
    }
    let mut scored = pairs.iter().zip(scores);
    for ((verdict, field), count) in waiting.iter_mut().zip(counts) {
        let (mut sum, mut weight) = (0.0, 0.0);
        for ((source, _), score) in scored.by_ref().take(count) {
            sum += score * source.len() as f64;
            weight += source.len() as f64;
        }
        let quality = sum / weight;
        // A text without lines to score has no quality and passes; a score that is not a number
        // does not.
        **verdict = if count == 0 || quality >= min_quality {
            Verdict::Passed
        } else {
            let detail = format!("{quality:.3} is below {min_quality}");
            Verdict::Rejected(Rejection::new(field, REASON, detail))
        };
    }
    Ok(())
}
