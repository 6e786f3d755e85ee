//! Two systems on the same rows: paired tests, and rows that they read differently.

use corpus::labelled::{LabelledInput, LabelledRow};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::scores::{measures, statistics};
use crate::significance::{Exchanges, PairedTest, Resampling, Ties};

/// Number of rows that are kept as examples.
const SHOWN: usize = 6;

/// The first system of an evaluation against another one, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the other system.
    pub system: String,
    /// Key of the measure.
    pub measure: String,
    /// Score of the first system minus that of the other, and two-sided p-value of approximate
    /// randomisation.
    #[serde(flatten)]
    pub test: PairedTest,
}

/// Rows that the first system of an evaluation and another one read differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Name of the other system.
    pub system: String,
    /// Number of rows that only the first system reads correctly.
    pub gained: u64,
    /// Number of rows that only the other reads correctly.
    pub lost: u64,
    /// Number of rows that both read wrongly, in different ways.
    pub other: u64,
    /// Evenly spaced ones of them.
    pub rows: Vec<ChangedRow>,
}

/// A row that two systems read differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// Identifier of the row.
    pub id: String,
    /// Its text.
    pub input: LabelledInput,
    /// The correct label.
    pub gold: String,
    /// The first system's prediction.
    pub first: Said,
    /// The other's.
    pub other: Said,
}

/// A predicted label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The label.
    pub label: String,
    /// Its probability.
    pub probability: f32,
}

impl From<&Prediction> for Said {
    fn from(prediction: &Prediction) -> Self {
        Self {
            label: prediction.predicted.clone(),
            probability: prediction.certainty(),
        }
    }
}

/// Tests `first` against every other system, on each measure.
pub(super) fn compare(
    first: &[Prediction],
    others: &[(&str, Vec<Prediction>)],
    labels: &[String],
) -> Vec<Comparison> {
    let exchanges = Exchanges::draw(first.len(), &Resampling::TRIALS);
    let mut comparisons = Vec::new();
    for measure in measures(labels.len(), false) {
        let own = statistics(first, labels, &measure.key);
        for (system, predictions) in others {
            let other = statistics(predictions, labels, &measure.key);
            comparisons.push(Comparison {
                system: (*system).to_owned(),
                measure: measure.key.clone(),
                test: exchanges.test(&other, &own, &measure.aggregate, Ties::Counted),
            });
        }
    }
    comparisons
}

/// Counts the rows that `first` and the system called `system` read differently, and keeps evenly
/// spaced ones, so that none is picked by hand.
pub(super) fn changes(
    system: &str,
    first: &[Prediction],
    other: &[Prediction],
    rows: &[&LabelledRow],
) -> Changes {
    let both = first.iter().zip(other).zip(rows);
    let changed: Vec<_> = both
        .filter(|((first, other), _)| first.predicted != other.predicted)
        .collect();
    let shown = changed.len().min(SHOWN);
    let example = |number: usize| {
        let ((first, other), row) = &changed[number * changed.len() / shown];
        ChangedRow {
            id: row.id.clone(),
            input: row.input.clone(),
            gold: first.gold.clone(),
            first: Said::from(*first),
            other: Said::from(*other),
        }
    };
    let count = |of: fn(&Prediction, &Prediction) -> bool| {
        let is_one = |((first, other), _): &&((&Prediction, &Prediction), _)| of(first, other);
        changed.iter().filter(is_one).count() as u64
    };
    Changes {
        system: system.to_owned(),
        gained: count(|first, _| first.is_correct()),
        lost: count(|_, other| other.is_correct()),
        other: count(|first, other| !first.is_correct() && !other.is_correct()),
        rows: (0..shown).map(example).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_read_differently_are_counted_by_who_is_right() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let said = |label: &str| {
            let probabilities = labels.clone().map(|one| f32::from(u8::from(one == label)));
            Prediction::new("", "a", &labels, &probabilities)
        };
        let first = ["a", "a", "b", "b", "b"].map(said);
        let other = ["a", "b", "a", "c", "b"].map(said);
        let row = LabelledRow {
            id: "1".into(),
            input: LabelledInput::Single {
                text: "text".into(),
            },
            label: 0,
        };
        let changes = changes("other", &first, &other, &[&row; 5]);
        assert_eq!((changes.gained, changes.lost, changes.other), (1, 1, 1));
        assert_eq!(changes.rows.len(), 3);
        assert_eq!(changes.rows[1].other.label, "a");
        let others = [("other", other.to_vec()), ("same", first.to_vec())];
        let compared = compare(&first, &others, &labels);
        assert_eq!(compared.len(), 4);
        assert_eq!(compared[0].test.difference, 0.0);
        assert_eq!(compared[1].test.p_value, 1.0);
    }
}
