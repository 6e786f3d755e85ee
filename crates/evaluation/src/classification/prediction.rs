//! A classified row.

use std::collections::BTreeMap;

use corpus::labelled::most_probable;
use serde::{Deserialize, Serialize};

/// A row with its prediction: a line of `SYSTEM/LANGUAGE.jsonl`, enough to score it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Identifier of the row.
    pub id: String,
    /// The correct label; for multiple choice the number of the choice, from 1.
    pub gold: String,
    /// The most probable label, the first of equals; empty if the system cannot read the row, which
    /// counts as wrong.
    pub predicted: String,
    /// Probability of each label; none if the system cannot read the row.
    pub probabilities: BTreeMap<String, f32>,
}

impl Prediction {
    /// The prediction that follows from the `probabilities` of `labels`.
    pub(super) fn new(id: &str, gold: &str, labels: &[String], probabilities: &[f32]) -> Self {
        Self {
            id: id.to_owned(),
            gold: gold.to_owned(),
            predicted: match probabilities.is_empty() {
                true => String::new(),
                false => labels[most_probable(probabilities)].clone(),
            },
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

    /// Whether the system could read the row.
    pub fn is_read(&self) -> bool {
        !self.probabilities.is_empty()
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

    #[test]
    fn what_cannot_be_read_is_wrong() {
        let prediction = Prediction::new("7", "1", &numbers(2), &[]);
        assert!(!prediction.is_read() && !prediction.is_correct());
        assert_eq!(prediction.certainty(), 0.0);
    }
}
