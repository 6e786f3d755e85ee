//! Ends training before its last epoch (section 4.1 of SDRRL, arXiv 2402.12204).

use serde::{Deserialize, Serialize};

/// The best held-out loss so far, and the number of evaluations since.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Lowest held-out loss and the optimiser step after which it was measured.
    pub best: Option<BestLoss>,
    /// Evaluations since then.
    pub evaluations_without_improvement: usize,
}

/// A held-out loss, or another criterion of the recipe, and the step at which it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestLoss {
    /// Number of optimiser steps at that time.
    pub step: usize,
    /// The held-out loss.
    pub loss: f64,
}

impl EarlyStopping {
    /// Records a held-out loss. Returns true if it is the best so far by more than `min_delta`;
    /// never true for NaN.
    pub fn observe(&mut self, step: usize, loss: f64, min_delta: f64) -> bool {
        let improved = match self.best {
            None => !loss.is_nan(),
            Some(best) => loss < best.loss - min_delta,
        };
        if improved {
            self.best = Some(BestLoss { step, loss });
            self.evaluations_without_improvement = 0;
        } else {
            self.evaluations_without_improvement += 1;
        }
        improved
    }

    /// Whether the last `patience` evaluations brought no improvement; a patience of 0 never stops.
    pub fn exhausted(&self, patience: usize) -> bool {
        patience > 0 && self.evaluations_without_improvement >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_after_patience_evaluations_without_improvement() {
        let mut stopping = EarlyStopping::default();
        assert!(stopping.observe(1, 2.0, 0.1));
        assert!(
            !stopping.observe(2, 1.95, 0.1),
            "less than min_delta is no improvement"
        );
        assert!(stopping.observe(3, 1.8, 0.1));
        assert!(!stopping.observe(4, 1.9, 0.1) && !stopping.exhausted(2));
        assert!(!stopping.observe(5, f64::NAN, 0.1) && stopping.exhausted(2));
        assert_eq!(stopping.best, Some(BestLoss { step: 3, loss: 1.8 }));
        assert!(!stopping.exhausted(0));
    }
}
