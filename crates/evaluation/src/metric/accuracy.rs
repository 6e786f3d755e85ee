//! Accuracy: the share of labels that are correct (scikit-learn's `accuracy_score`).

use super::{Aggregate, IMPLEMENTATION, Metric, Signature};

/// The share of hypotheses that equal one of their references, white space around them aside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accuracy;

impl Accuracy {
    /// Its function of summed [`Accuracy::counts`].
    pub const AGGREGATE: Aggregate = Aggregate::Ratio { scale: 1.0 };

    /// Statistics of one prediction.
    pub fn counts(correct: bool) -> Vec<f64> {
        vec![f64::from(correct), 1.0]
    }
}

impl Metric for Accuracy {
    fn name(&self) -> String {
        "accuracy".to_owned()
    }

    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let is_said = |reference: &&str| reference.trim() == hypothesis.trim();
        Self::counts(references.iter().any(is_said))
    }

    fn aggregate(&self) -> Aggregate {
        Self::AGGREGATE
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references).with("impl", IMPLEMENTATION)
    }

    fn verbose(&self, sums: &[f64]) -> Option<String> {
        let [correct, all] = sums else { return None };
        Some(format!("({correct} of {all})"))
    }

    fn digits(&self) -> usize {
        4
    }
}
