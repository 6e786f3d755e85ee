//! Accuracy, macro-F1, confusion and chance of predictions.

use std::collections::BTreeMap;

use super::{Chance, Prediction};
use crate::metric::accuracy::Accuracy;
use crate::metric::macro_f1::MacroF1;
use crate::metric::{Aggregate, IMPLEMENTATION, SegmentStatistics, Signature};
use crate::results::MeasuredScore;
use crate::significance::{Resampling, confidence};
use crate::task::{Measure, SHARE};

/// Key of the accuracy.
pub const ACCURACY: &str = "acc";
/// Key of the macro-F1.
pub const MACRO_F1: &str = "f1";

/// The measures of a classification with `classes` classes.
pub(super) fn measures(classes: usize, translated: bool) -> [Measure; 2] {
    let mut signature = Signature::without_references().with("classes", classes);
    if translated {
        signature = signature.with("test", "translated");
    }
    let signature = signature.with("impl", IMPLEMENTATION).to_string();
    let measure = |key: &str, name: &str, aggregate| Measure {
        key: key.to_owned(),
        name: name.to_owned(),
        signature: signature.clone(),
        aggregate,
        higher_is_better: Some(true),
        unit: SHARE.to_owned(),
    };
    [
        measure(ACCURACY, "accuracy", Accuracy::AGGREGATE),
        measure(MACRO_F1, "macro-F1", Aggregate::MacroF1),
    ]
}

/// The statistics of one measure over all predictions.
pub(crate) fn statistics(
    predictions: &[Prediction],
    labels: &[String],
    key: &str,
) -> SegmentStatistics {
    let class = |name: &str| labels.iter().position(|label| label == name);
    let row = |prediction: &Prediction| match key {
        ACCURACY => Accuracy::counts(prediction.is_correct()),
        _ => MacroF1::counts(
            labels.len(),
            class(&prediction.predicted),
            class(&prediction.gold).unwrap_or(usize::MAX),
        ),
    };
    SegmentStatistics::from_rows(predictions.iter().map(row).collect())
}

/// The scores with their intervals.
pub(super) fn measure(
    predictions: &[Prediction],
    labels: &[String],
    translated: bool,
    resampling: &Resampling,
) -> Vec<MeasuredScore> {
    let score = |measure: Measure| {
        let statistics = statistics(predictions, labels, &measure.key);
        MeasuredScore {
            score: measure.aggregate.score(&statistics.sums()),
            confidence: confidence(&statistics, &measure.aggregate, resampling),
            measure,
        }
    };
    measures(labels.len(), translated).map(score).into()
}

/// Number of rows by correct label (first index) and predicted label.
pub(super) fn confusion(predictions: &[Prediction], labels: &[String]) -> Vec<Vec<u64>> {
    let class = |name: &str| labels.iter().position(|label| label == name);
    let mut counts = vec![vec![0; labels.len()]; labels.len()];
    for prediction in predictions {
        if let (Some(gold), Some(said)) = (class(&prediction.gold), class(&prediction.predicted)) {
            counts[gold][said] += 1;
        }
    }
    counts
}

/// Number of rows that the system could not read.
pub(super) fn unread(predictions: &[Prediction]) -> u64 {
    predictions.iter().filter(|row| !row.is_read()).count() as u64
}

/// What guessing achieves. `choices` is the number of choices of each row, and `gold` its label.
pub(super) fn chance<'a>(gold: impl Iterator<Item = (&'a str, usize)>) -> Chance {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut uniform, mut rows) = (0.0, 0u64);
    for (label, choices) in gold {
        *counts.entry(label).or_default() += 1;
        uniform += 1.0 / choices.max(1) as f64;
        rows += 1;
    }
    // The first of equals in alphabetical order.
    let most = counts
        .iter()
        .max_by_key(|(label, count)| (**count, std::cmp::Reverse(**label)));
    let (label, count) = most.map_or(("", 0), |(label, count)| (*label, *count));
    let share = |count: f64| count / rows.max(1) as f64;
    let majority = share(count as f64);
    Chance {
        uniform: share(uniform),
        majority,
        // One class has an F1, of precision `majority` and recall 1; the other classes have 0.
        majority_f1: 2.0 * majority / (1.0 + majority) / counts.len().max(1) as f64,
        majority_label: label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_scored_as_any_system() {
        let gold = ["a", "b", "b", "c", "b"];
        let found = chance(gold.iter().map(|label| (*label, 3)));
        assert!((found.uniform - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((found.majority_label.as_str(), found.majority), ("b", 0.6));
        let labels = ["a", "b", "c"].map(str::to_owned);
        let constant: Vec<Prediction> = (gold.iter())
            .map(|gold| Prediction::new("", gold, &labels, &[0.0, 1.0, 0.0]))
            .collect();
        let f1 = Aggregate::MacroF1.score(&statistics(&constant, &labels, MACRO_F1).sums());
        assert!((found.majority_f1 - f1).abs() < 1e-12);
        assert_eq!(confusion(&constant, &labels)[1], [0, 3, 0]);
    }
}
