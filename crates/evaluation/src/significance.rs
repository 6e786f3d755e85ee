//! Confidence intervals and paired tests on sufficient statistics.
//!
//! Bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005) as in
//! sacrebleu, with NumPy's generator, so that the same seed gives sacrebleu's intervals and
//! p-values. Resampling adds rows of statistics and never looks at texts.

mod alignment;
mod pcg64;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use alignment::{Alignment, MeanScores};
pub use pcg64::Pcg64;

use crate::metric::{Aggregate, SegmentStatistics};

/// Number of resamples, and seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resampling {
    /// Number of resamples; 1,000 for the bootstrap and 10,000 for approximate randomisation in
    /// sacrebleu.
    pub samples: usize,
    /// Seed of the generator; 12345 in sacrebleu.
    pub seed: u64,
}

impl Resampling {
    /// The trials of paired tests.
    pub const TRIALS: Resampling = Resampling {
        samples: 10_000,
        seed: 12345,
    };
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            samples: 1000,
            seed: 12345,
        }
    }
}

/// A 95 % bootstrap interval, under the names of sacrebleu's JSON.
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
    /// Score of the second system minus that of the first.
    pub difference: f64,
    /// Probability of a difference at least this large if the systems do not differ.
    pub p_value: f64,
}

/// Whether shuffled differences equal to the observed one count against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// They count. Rates over a few documents take few values, and most shuffles tie: otherwise,
    /// one changed answer would be significant.
    Counted,
    /// They do not count, as in sacrebleu, where corpus scores hardly ever tie.
    Ignored,
}

/// The 95 % bootstrap interval of a corpus score.
pub fn confidence(
    statistics: &SegmentStatistics,
    aggregate: &Aggregate,
    resampling: &Resampling,
) -> Confidence {
    confidence_of_mean(&[statistics], aggregate, resampling)
}

/// The 95 % bootstrap interval of the mean score of several evaluations of the same segments, e.g.
/// of models trained with different seeds.
///
/// # Panics
/// If the numbers of segments differ.
pub fn confidence_of_mean(
    evaluations: &[&SegmentStatistics],
    aggregate: &Aggregate,
    resampling: &Resampling,
) -> Confidence {
    let count = evaluations.len().max(1) as f64;
    let mean_of = |scores: Vec<f64>| scores.iter().sum::<f64>() / count;
    let segments = evaluations.first().map_or(0, |first| first.len());
    let resamples = Resamples::draw(segments, resampling);
    let resampled: Vec<Vec<f64>> = evaluations
        .iter()
        .map(|statistics| resamples.scores(statistics, aggregate))
        .collect();
    let draws = resampled.iter().map(Vec::len).min().unwrap_or(0);
    let mut scores: Vec<f64> = (0..draws)
        .map(|draw| mean_of(resampled.iter().map(|scores| scores[draw]).collect()))
        .collect();
    if scores.is_empty() {
        let of = |statistics: &&SegmentStatistics| aggregate.score(&statistics.sums());
        scores.push(mean_of(evaluations.iter().map(of).collect()));
    }
    Confidence::of(scores)
}

impl Confidence {
    /// The interval of the scores of all resamples, at least one.
    pub fn of(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        let count = scores.len();
        let mean = scores.iter().sum::<f64>() / count as f64;
        let squares = scores
            .iter()
            .map(|score| (score - mean).powi(2))
            .sum::<f64>();
        let (low, high) = (scores[count / 40], scores[count - count / 40 - 1]);
        Self {
            mean,
            half_width: 0.5 * (high - low),
            low,
            high,
            standard_error: (squares / (count.max(2) - 1) as f64).sqrt(),
        }
    }
}

/// Approximate randomisation: outputs of two systems are exchanged at random. The exchanges are
/// drawn once for all measures on the same segments.
pub struct Exchanges {
    /// Whether a segment keeps its place, by trial and segment.
    keep: Vec<bool>,
    segments: usize,
}

impl Exchanges {
    /// Draws `resampling.samples` trials over `segments` segments.
    pub fn draw(segments: usize, resampling: &Resampling) -> Self {
        Self {
            keep: Pcg64::seeded(resampling.seed).bits(resampling.samples * segments),
            segments,
        }
    }

    /// Two-sided test of `second` against `first`.
    ///
    /// # Panics
    /// If the number of segments differs from that given to the constructor.
    pub fn test(
        &self,
        first: &SegmentStatistics,
        second: &SegmentStatistics,
        aggregate: &Aggregate,
        ties: Ties,
    ) -> PairedTest {
        assert!(
            first.len() == self.segments && second.len() == self.segments,
            "a paired test needs the same segments"
        );
        if first == second && ties == Ties::Counted {
            // Every exchange ties.
            return PairedTest {
                difference: 0.0,
                p_value: 1.0,
            };
        }
        let (first_sums, second_sums) = (first.sums(), second.sums());
        let difference = aggregate.score(&second_sums) - aggregate.score(&first_sums);
        // Sums in another order may differ in their last bits.
        let threshold = match ties {
            Ties::Counted => difference.abs() * (1.0 - 1e-9),
            Ties::Ignored => difference.abs(),
        };
        let gains: Vec<f64> = (first.rows().zip(second.rows()))
            .flat_map(|(first, second)| first.iter().zip(second).map(|(one, other)| other - one))
            .collect();
        let trials = self.keep.par_chunks_exact(self.segments.max(1));
        let samples = trials.len();
        let beyond = trials
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
        // Plus one, so that the test is never rejected more often than its level.
        PairedTest {
            difference,
            p_value: (beyond + 1) as f64 / (samples + 1) as f64,
        }
    }
}

/// Bootstrap resamples of the segments, drawn with replacement, once for all measures and systems.
pub struct Resamples {
    /// The segments of every resample, one resample after the other.
    drawn: Vec<u32>,
    segments: usize,
}

impl Resamples {
    /// Draws `resampling.samples` resamples of `segments` segments.
    pub fn draw(segments: usize, resampling: &Resampling) -> Self {
        let mut drawn = Vec::new();
        // There are no resamples of nothing, nor of more segments than the generator can number.
        if let (Ok(bound), true) = (u32::try_from(segments), segments > 0) {
            let mut generator = Pcg64::seeded(resampling.seed);
            drawn.resize_with(segments * resampling.samples, || generator.below(bound));
        }
        Self { drawn, segments }
    }

    /// The score of every resample.
    fn scores(&self, statistics: &SegmentStatistics, aggregate: &Aggregate) -> Vec<f64> {
        assert!(
            statistics.len() == self.segments,
            "resamples of other segments"
        );
        let resamples = self.drawn.par_chunks_exact(self.segments.max(1));
        let score = |sample: &[u32]| {
            let mut sums = vec![0.0; statistics.width()];
            for &segment in sample {
                crate::metric::add(&mut sums, statistics.row(segment as usize));
            }
            aggregate.score(&sums)
        };
        resamples.map(score).collect()
    }
}

/// A system's score and its scores on the resamples that it shares with other systems.
pub struct Resampled {
    score: f64,
    scores: Vec<f64>,
}

impl Resampled {
    /// Scores the resamples of `statistics`.
    ///
    /// # Panics
    /// If `resamples` are of other segments.
    pub fn new(
        statistics: &SegmentStatistics,
        aggregate: &Aggregate,
        resamples: &Resamples,
    ) -> Self {
        Self {
            score: aggregate.score(&statistics.sums()),
            scores: resamples.scores(statistics, aggregate),
        }
    }

    /// Paired bootstrap (Koehn 2004) of `second` against this system, as sacrebleu computes it: the
    /// share of resamples whose difference exceeds the mean of all by more than the observed one.
    pub fn test(&self, second: &Resampled) -> PairedTest {
        let difference = second.score - self.score;
        let pairs = self.scores.iter().zip(&second.scores);
        let differences: Vec<f64> = pairs.map(|(one, other)| (other - one).abs()).collect();
        let samples = differences.len();
        let mean = differences.iter().sum::<f64>() / samples.max(1) as f64;
        let beyond = differences
            .iter()
            .filter(|&&resampled| resampled - mean > difference.abs())
            .count();
        PairedTest {
            difference,
            p_value: match difference == 0.0 {
                true => 1.0,
                false => (beyond + 1) as f64 / (samples + 1) as f64,
            },
        }
    }
}
