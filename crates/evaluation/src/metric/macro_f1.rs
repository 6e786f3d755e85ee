//! Macro-F1: the mean of the classes' F1 (scikit-learn's `f1_score(average="macro")`).

use std::collections::BTreeSet;

use super::{Aggregate, IMPLEMENTATION, Metric, Signature};

/// Mean F1 over the labels that occur among hypotheses or references, one reference each.
#[derive(Debug, Clone)]
pub struct MacroF1 {
    classes: Vec<String>,
}

impl MacroF1 {
    /// The metric for texts with these labels, as often as they occur.
    pub fn over<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let classes: BTreeSet<&str> = labels.into_iter().map(str::trim).collect();
        let classes = classes.into_iter().map(str::to_owned).collect();
        Self { classes }
    }

    /// Statistics of one prediction among `classes`: whether it hit, was predicted and was correct,
    /// for each class. Both are indexes; `None` is a prediction outside of the classes.
    pub fn counts(classes: usize, predicted: Option<usize>, correct: usize) -> Vec<f64> {
        let of_class = |class| {
            let predicted = predicted == Some(class);
            let correct = correct == class;
            [predicted && correct, predicted, correct].map(f64::from)
        };
        (0..classes).flat_map(of_class).collect()
    }
}

impl Metric for MacroF1 {
    fn name(&self) -> String {
        "macro-F1".to_owned()
    }

    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let class = |text: &str| self.classes.iter().position(|class| class == text.trim());
        let correct = references.first().and_then(|reference| class(reference));
        Self::counts(
            self.classes.len(),
            class(hypothesis),
            correct.unwrap_or(usize::MAX),
        )
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::MacroF1
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("classes", self.classes.len())
            .with("impl", IMPLEMENTATION)
    }

    fn digits(&self) -> usize {
        4
    }
}
