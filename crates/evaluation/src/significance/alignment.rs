//! Rows of several test sets, of which some are translations of each other.

use std::collections::BTreeMap;

use super::{Confidence, Pcg64, Resamples, Resampling};
use crate::metric::{Aggregate, SegmentStatistics};

/// The rows of several test sets, put together by their ids. Rows with the same id are resampled
/// together, because the same text in several languages tends to be easy or hard in all of them: as
/// independent rows, they would give too narrow an interval of the mean over languages.
///
/// Rows that occur in the same sets are a stratum of the [`Resamples`], so every resample has as many
/// rows of a set as the set has. If the sets share no id, each is resampled for itself.
pub struct Alignment {
    /// Per set, the position of each of its rows among all.
    positions: Vec<Vec<usize>>,
    /// Number of rows that occur in the same sets.
    strata: Vec<usize>,
}

impl Alignment {
    /// Aligns sets, each given by the ids of its rows. If an id occurs several times in a set, the
    /// occurrences are told apart by their order.
    pub fn new(sets: &[Vec<&str>]) -> Self {
        let mut found: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
        for (set, ids) in sets.iter().enumerate() {
            for row in occurrences(ids) {
                found.entry(row).or_default().push(set);
            }
        }
        let mut by_sets: BTreeMap<&[usize], Vec<(&str, usize)>> = BTreeMap::new();
        for (row, sets) in &found {
            by_sets.entry(sets).or_default().push(*row);
        }
        let rows = by_sets.values().flatten().zip(0..);
        let position: BTreeMap<(&str, usize), usize> =
            rows.map(|(row, position)| (*row, position)).collect();
        let of_set = |ids: &Vec<&str>| -> Vec<usize> {
            occurrences(ids).map(|row| position[&row]).collect()
        };
        Self {
            positions: sets.iter().map(of_set).collect(),
            strata: by_sets.values().map(Vec::len).collect(),
        }
    }

    /// The statistics of the rows of `set` among those of all sets: zeros for rows that it lacks.
    ///
    /// # Panics
    /// If the set has another number of rows.
    pub fn align(&self, set: usize, statistics: &SegmentStatistics) -> SegmentStatistics {
        let positions = &self.positions[set];
        assert_eq!(positions.len(), statistics.len(), "rows of another set");
        let all = self.strata.iter().sum();
        let mut rows = vec![vec![0.0; statistics.width()]; all];
        for (row, position) in positions.iter().enumerate() {
            rows[*position].copy_from_slice(statistics.row(row));
        }
        SegmentStatistics::from_rows(rows)
    }

    /// Resamples of all rows: as many rows of each stratum as it has, drawn with replacement.
    pub fn resamples(&self, resampling: &Resampling) -> Resamples {
        let segments = self.strata.iter().sum();
        let mut generator = Pcg64::seeded(resampling.seed);
        let mut drawn = Vec::with_capacity(segments * resampling.samples);
        for _ in 0..resampling.samples {
            let mut first = 0;
            for &stratum in &self.strata {
                let stratum = u32::try_from(stratum).expect("fewer rows than there are u32s");
                drawn.extend((0..stratum).map(|_| first + generator.below(stratum)));
                first += stratum;
            }
        }
        Resamples { drawn, segments }
    }
}

/// The mean of a system's scores on several test sets, and that of each resample.
pub struct MeanScores {
    /// The mean.
    pub score: f64,
    /// The mean of each resample.
    pub resampled: Vec<f64>,
}

impl MeanScores {
    /// Scores test sets that were [aligned](Alignment::align), on `resamples` of all rows.
    pub fn new(sets: &[SegmentStatistics], aggregate: &Aggregate, resamples: &Resamples) -> Self {
        let (mut score, mut resampled) = (0.0, Vec::new());
        for set in sets {
            score += aggregate.score(&set.sums()) / sets.len() as f64;
            let scores = resamples.scores(set, aggregate);
            resampled.resize(scores.len(), 0.0);
            for (mean, score) in resampled.iter_mut().zip(scores) {
                *mean += score / sets.len() as f64;
            }
        }
        Self { score, resampled }
    }

    /// The 95 % interval of the mean.
    pub fn confidence(&self) -> Confidence {
        Confidence::of(self.resampled.clone())
    }

    /// The 95 % interval of the difference to `other` on the same resamples.
    pub fn confidence_beyond(&self, other: &Self) -> Confidence {
        let pairs = self.resampled.iter().zip(&other.resampled);
        Confidence::of(pairs.map(|(own, other)| own - other).collect())
    }
}

/// Every id with the number of times that it occurred before.
fn occurrences<'i>(ids: &[&'i str]) -> impl Iterator<Item = (&'i str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    ids.iter().map(move |&id| {
        let count = counts.entry(id).or_default();
        *count += 1;
        (id, *count - 1)
    })
}
