//! Turns summed sufficient statistics into a score.

use corpus::chrf::{ChrfStatistics, OrderCounts};
use corpus::labelled::macro_f1;
use serde::{Deserialize, Serialize};

use super::bleu::{self, Smoothing};

/// The function that turns the sum of segment statistics into a score. Serialised with stored
/// statistics, so that they can be resampled without the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Aggregate {
    /// `scale` · sum of the first column / sum of the second: rates and mean losses.
    Ratio {
        /// Factor, e.g. 100 for per cent.
        scale: f64,
    },
    /// exp(sum of the first column / sum of the second): perplexity.
    ExpRatio,
    /// Mean F1 over the classes that occur, from `[hits, predicted, correct]` per class, 0 to 1
    /// (scikit-learn's `f1_score(average="macro")`).
    MacroF1,
    /// BLEU from `[hypothesis length, reference length, matched 1..=n, total 1..=n]`.
    Bleu {
        /// Smoothing of orders without a match.
        smoothing: Smoothing,
        /// Whether orders longer than the hypothesis are left out.
        effective_order: bool,
    },
    /// TER from `[edits, reference length]`; edits without a reference are 100.
    Ter,
    /// chrF from `[hypothesis, reference, matched]` per order.
    Chrf {
        /// Weight of recall against precision.
        beta: f64,
    },
}

impl Aggregate {
    /// The score of `sums`; 0 if nothing was counted.
    pub fn score(&self, sums: &[f64]) -> f64 {
        match self {
            Aggregate::Ratio { scale } => ratio(sums).map_or(0.0, |ratio| scale * ratio),
            Aggregate::ExpRatio => ratio(sums).map_or(0.0, f64::exp),
            Aggregate::Ter => match sums {
                [edits, length, ..] if *length > 0.0 => 100.0 * edits / length,
                [edits, ..] if *edits > 0.0 => 100.0,
                _ => 0.0,
            },
            Aggregate::MacroF1 => {
                let classes = sums.chunks_exact(3);
                macro_f1(classes.map(|class| [class[0], class[1], class[2]]))
            }
            Aggregate::Bleu {
                smoothing,
                effective_order,
            } => bleu::BleuParts::new(sums, *smoothing, *effective_order).score,
            Aggregate::Chrf { beta } => {
                let orders = sums
                    .chunks_exact(3)
                    .map(|counts| OrderCounts {
                        hypothesis: counts[0] as u64,
                        reference: counts[1] as u64,
                        matched: counts[2] as u64,
                    })
                    .collect::<Vec<_>>();
                ChrfStatistics::from(orders).score(*beta)
            }
        }
    }
}

fn ratio(sums: &[f64]) -> Option<f64> {
    let denominator = *sums.get(1)?;
    (denominator > 0.0).then(|| sums[0] / denominator)
}

/// Sufficient statistics of a corpus: one row per segment, all of equal width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SegmentStatistics {
    width: usize,
    values: Vec<f64>,
}

impl SegmentStatistics {
    /// Rows of equal width; shorter rows are padded with zeros.
    pub fn from_rows(rows: Vec<Vec<f64>>) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut values = Vec::with_capacity(width * rows.len());
        for row in rows {
            values.extend_from_slice(&row);
            values.resize(values.len() + width - row.len(), 0.0);
        }
        Self { width, values }
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers per segment.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The statistics of one segment.
    pub fn row(&self, segment: usize) -> &[f64] {
        &self.values[segment * self.width..][..self.width]
    }

    /// The statistics of every segment, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The sum over all segments.
    pub fn sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for row in self.rows() {
            add(&mut sums, row);
        }
        sums
    }
}

/// `sums += row`.
pub(crate) fn add(sums: &mut [f64], row: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macro_f1_is_scikit_learns() {
        // f1_score([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], average="macro") and a class without rows.
        let sums = [1.0, 2.0, 2.0, 2.0, 3.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let expected = (0.5 + 0.8 + 0.0) / 3.0;
        assert!((Aggregate::MacroF1.score(&sums) - expected).abs() < 1e-12);
        assert_eq!(Aggregate::MacroF1.score(&[]), 0.0);
    }
}
