//! Agreement of predicted with right labels.

/// Mean F1 over the classes that occur, 0 to 1, from the numbers of each class's hits, predictions
/// and rows (scikit-learn's `f1_score(average="macro")`); 0 without any.
pub fn macro_f1(classes: impl IntoIterator<Item = [f64; 3]>) -> f64 {
    let occurring = classes
        .into_iter()
        .filter(|[_, predicted, rows]| predicted + rows > 0.0);
    let scores: Vec<f64> = occurring
        .map(|[hits, predicted, rows]| 2.0 * hits / (predicted + rows))
        .collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

/// The position of the largest of these probabilities; the first of equals, 0 of none.
pub fn most_probable(probabilities: &[f32]) -> usize {
    let larger = |best: usize, other| match probabilities[other] > probabilities[best] {
        true => other,
        false => best,
    };
    (0..probabilities.len()).reduce(larger).unwrap_or(0)
}

/// Counts of predictions against right labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Hits, predictions and rows of each class.
    classes: Vec<[f64; 3]>,
}

impl Agreement {
    /// No predictions yet, of this many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes: vec![[0.0; 3]; classes],
        }
    }

    /// Counts one prediction.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn add(&mut self, predicted: usize, right: usize) {
        self.classes[predicted][1] += 1.0;
        self.classes[right][2] += 1.0;
        self.classes[right][0] += f64::from(predicted == right);
    }

    /// Share of predictions that are right, 0 to 1; 0 without any.
    pub fn accuracy(&self) -> f64 {
        let sum = |column: usize| self.classes.iter().map(|class| class[column]).sum::<f64>();
        sum(0) / sum(2).max(1.0)
    }

    /// [`macro_f1`] of the predictions.
    pub fn macro_f1(&self) -> f64 {
        macro_f1(self.classes.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_scikit_learns() {
        // accuracy_score and f1_score(average="macro") of [0, 0, 1, 1, 2] and [0, 1, 1, 1, 0].
        let mut agreement = Agreement::new(4);
        for (right, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1), (2, 0)] {
            agreement.add(predicted, right);
        }
        assert!((agreement.accuracy() - 0.6).abs() < 1e-12);
        assert!((agreement.macro_f1() - (0.5 + 0.8) / 3.0).abs() < 1e-12);
        assert_eq!(Agreement::new(2).accuracy(), 0.0);
    }
}
