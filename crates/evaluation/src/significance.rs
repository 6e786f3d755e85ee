//! Confidence intervals and paired tests on sufficient statistics.
//!
//! Bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005) as
//! sacrebleu does them, and with NumPy's generator, so that the same seed gives sacrebleu's own
//! intervals and p-values. A resample costs one addition of rows; texts are not looked at again.

mod pcg64;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use pcg64::Pcg64;

use crate::metric::{Aggregate, SegmentStatistics};

/// How often and from which seed to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resampling {
    /// Number of resamples; sacrebleu takes 1,000 for the bootstrap and 10,000 for approximate
    /// randomisation.
    pub samples: usize,
    /// Seed of the generator; sacrebleu takes 12345.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            samples: 1000,
            seed: 12345,
        }
    }
}

/// A 95 % bootstrap interval, under the names that sacrebleu's JSON gives it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Mean over the resamples.
    #[serde(rename = "confidence_mean")]
    pub mean: f64,
    /// Half the width of the interval.
    #[serde(rename = "confidence_var")]
    pub half_width: f64,
    /// 2.5 % quantile.
    #[serde(rename = "confidence_low")]
    pub low: f64,
    /// 97.5 % quantile.
    #[serde(rename = "confidence_high")]
    pub high: f64,
    /// Standard deviation over the resamples: the standard error of the score.
    #[serde(rename = "stderr")]
    pub standard_error: f64,
}

/// A difference between two systems on the same segments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedTest {
    /// Score of the second system less that of the first.
    pub difference: f64,
    /// Probability of a difference at least this large where there is none.
    pub p_value: f64,
}

/// Whether a shuffled difference that equals the observed one speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Yes. Rates over a few documents take few values, and most shuffles tie: without them one
    /// changed answer would be significant.
    Counted,
    /// No, as sacrebleu has it for corpus scores, which hardly ever tie.
    Ignored,
}

/// The 95 % bootstrap interval of a corpus score.
pub fn confidence(
    statistics: &SegmentStatistics,
    aggregate: &Aggregate,
    resampling: &Resampling,
) -> Confidence {
    let mut scores = resampled_scores(statistics, aggregate, resampling);
    if scores.is_empty() {
        scores.push(aggregate.score(&statistics.sums()));
    }
    scores.sort_by(f64::total_cmp);
    let count = scores.len();
    let mean = scores.iter().sum::<f64>() / count as f64;
    let squares = scores
        .iter()
        .map(|score| (score - mean).powi(2))
        .sum::<f64>();
    let (low, high) = (scores[count / 40], scores[count - count / 40 - 1]);
    Confidence {
        mean,
        half_width: 0.5 * (high - low),
        low,
        high,
        standard_error: (squares / (count.max(2) - 1) as f64).sqrt(),
    }
}

/// Paired bootstrap: both systems scored on the same resamples, two-sided.
///
/// # Panics
/// Where the systems differ in their number of segments.
pub fn paired_bootstrap(
    first: &SegmentStatistics,
    second: &SegmentStatistics,
    aggregate: &Aggregate,
    resampling: &Resampling,
) -> PairedTest {
    assert_eq!(
        first.len(),
        second.len(),
        "a paired test needs the same segments"
    );
    let difference = observed_difference(first, second, aggregate);
    let differences: Vec<f64> = resampled_scores(first, aggregate, resampling)
        .into_iter()
        .zip(resampled_scores(second, aggregate, resampling))
        .map(|(first, second)| (second - first).abs())
        .collect();
    let mean = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    let beyond = differences
        .iter()
        .filter(|&sample| sample - mean > difference.abs())
        .count();
    PairedTest {
        difference,
        p_value: p_value(beyond, differences.len()),
    }
}

/// Approximate randomisation: outputs of the two systems exchanged at random, two-sided.
///
/// # Panics
/// Where the systems differ in their number of segments.
pub fn approximate_randomisation(
    first: &SegmentStatistics,
    second: &SegmentStatistics,
    aggregate: &Aggregate,
    resampling: &Resampling,
    ties: Ties,
) -> PairedTest {
    assert_eq!(
        first.len(),
        second.len(),
        "a paired test needs the same segments"
    );
    let segments = first.len();
    let difference = observed_difference(first, second, aggregate);
    // Sums in another order differ in their last bits, and are equal all the same.
    let threshold = match ties {
        Ties::Counted => difference.abs() * (1.0 - 1e-9),
        Ties::Ignored => difference.abs(),
    };
    let gains: Vec<f64> = (first.rows().zip(second.rows()))
        .flat_map(|(first, second)| {
            first
                .iter()
                .zip(second)
                .map(|(first, second)| second - first)
        })
        .collect();
    let (first_sums, second_sums) = (first.sums(), second.sums());
    let swaps = Pcg64::seeded(resampling.seed).bits(resampling.samples * segments);
    let beyond = swaps
        .par_chunks_exact(segments.max(1))
        .filter(|keep| {
            let (mut one, mut other) = (first_sums.clone(), second_sums.clone());
            for (gain, _) in gains
                .chunks_exact(first.width())
                .zip(*keep)
                .filter(|(_, keep)| !**keep)
            {
                for ((one, other), gain) in one.iter_mut().zip(&mut other).zip(gain) {
                    *one += gain;
                    *other -= gain;
                }
            }
            let shuffled = (aggregate.score(&one) - aggregate.score(&other)).abs();
            shuffled > threshold || ties == Ties::Counted && shuffled == threshold
        })
        .count();
    PairedTest {
        difference,
        p_value: p_value(beyond, resampling.samples),
    }
}

fn observed_difference(
    first: &SegmentStatistics,
    second: &SegmentStatistics,
    aggregate: &Aggregate,
) -> f64 {
    aggregate.score(&second.sums()) - aggregate.score(&first.sums())
}

/// Plus one, so that the null hypothesis is never rejected more often than the level says.
fn p_value(beyond: usize, samples: usize) -> f64 {
    (beyond + 1) as f64 / (samples + 1) as f64
}

/// The score of every resample of the segments, drawn with replacement.
fn resampled_scores(
    statistics: &SegmentStatistics,
    aggregate: &Aggregate,
    resampling: &Resampling,
) -> Vec<f64> {
    let segments = statistics.len();
    let Ok(bound) = u32::try_from(segments) else {
        return Vec::new();
    };
    if segments == 0 {
        return Vec::new();
    }
    let mut generator = Pcg64::seeded(resampling.seed);
    let mut drawn = vec![0u32; segments * resampling.samples];
    drawn
        .iter_mut()
        .for_each(|index| *index = generator.below(bound));
    drawn
        .par_chunks_exact(segments)
        .map(|sample| {
            let mut sums = vec![0.0; statistics.width()];
            for &segment in sample {
                crate::metric::add(&mut sums, statistics.row(segment as usize));
            }
            aggregate.score(&sums)
        })
        .collect()
}
