//! A classified row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A row with its prediction: a line of `SYSTEM/LANGUAGE.jsonl`, enough to score it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Identifier of the row.
    pub id: String,
    /// The correct label; for multiple choice the number of the choice, from 1.
    pub gold: String,
    /// The most probable label, the first of equals.
    pub predicted: String,
    /// Probability of each label.
    pub probabilities: BTreeMap<String, f32>,
}

impl Prediction {
    /// The prediction that follows from the `probabilities` of `labels`.
    pub(super) fn new(id: &str, gold: &str, labels: &[String], probabilities: &[f32]) -> Self {
        let larger = |best: usize, other| match probabilities[other] > probabilities[best] {
            true => other,
            false => best,
        };
        let best = (0..probabilities.len()).reduce(larger).unwrap_or(0);
        Self {
            id: id.to_owned(),
            gold: gold.to_owned(),
            predicted: labels[best].clone(),
            probabilities: labels
                .iter()
                .cloned()
                .zip(probabilities.iter().copied())
                .collect(),
        }
    }

    /// Whether it is correct.
    pub fn is_correct(&self) -> bool {
        self.predicted == self.gold
    }

    /// Probability of the predicted label.
    pub fn certainty(&self) -> f32 {
        let probability = self.probabilities.get(&self.predicted);
        probability.copied().unwrap_or(0.0)
    }
}

/// The labels of a question with `count` choices: their numbers.
pub(super) fn numbers(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_predicted() {
        let prediction = Prediction::new("7", "3", &numbers(3), &[0.2, 0.4, 0.4]);
        assert_eq!(prediction.predicted, "2");
        assert_eq!(prediction.certainty(), 0.4);
        assert!(!prediction.is_correct());
    }
}
