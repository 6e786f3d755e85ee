//! The rows of a test set that are classified, and their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use corpus::labelled::LabelledInput;
use corpus::seam::EngineError;

use super::prediction::numbers;
use super::test_set::TaskTest;
use super::{
    ClassificationError, ClassificationResults, Contender, InputKind, Prediction, SetResult, scores,
};

/// A test set with the labels of its task. Labels are matched by name, so that a model trained on
/// one data set can be evaluated on another; rows with a label that the task lacks are set aside.
pub(super) struct Plan<'a> {
    pub set: &'a TaskTest,
    /// The labels of the task; the numbers of the choices for multiple choice.
    pub labels: Vec<String>,
    /// Indexes of the rows that are classified.
    pub rows: Vec<usize>,
    /// Their labels.
    pub gold: Vec<String>,
    set_aside: BTreeMap<String, u64>,
}

/// Plans all test sets, and checks that the contenders fit each other and the sets.
pub(super) fn plans<'a>(
    contenders: &[Contender<'_>],
    sets: &'a [TaskTest],
) -> Result<Vec<Plan<'a>>, ClassificationError> {
    if sets.is_empty() {
        return Err(ClassificationError::NoTestSet);
    }
    let mut seen = BTreeSet::new();
    let plan = |set: &'a TaskTest| {
        if !seen.insert((set.folder(), &set.language.code)) {
            return Err(ClassificationError::Repeated(set.described()));
        }
        let takers = contenders.iter().filter(|one| one.takes(set));
        let (takers, mut systems): (Vec<_>, _) = (takers.collect(), BTreeSet::new());
        for taker in &takers {
            if !systems.insert(taker.system.name) {
                let twice = format!("{}: {}", set.described(), taker.system.title);
                return Err(ClassificationError::Repeated(twice));
            }
        }
        let labels = agreed_labels(&takers, &set.task)?;
        let Some(labels) = labels else {
            let known: BTreeSet<String> = contenders
                .iter()
                .flat_map(|contender| contender.classifier.tasks())
                .collect();
            return Err(ClassificationError::NoTask {
                set: set.described(),
                task: set.task.clone(),
                known: known.into_iter().collect::<Vec<_>>().join(", "),
            });
        };
        Plan::new(set, labels)
    };
    sets.iter().map(plan).collect()
}

/// The labels that all `takers` have for `task`; `None` without takers.
fn agreed_labels(
    takers: &[&Contender<'_>],
    task: &str,
) -> Result<Option<Vec<String>>, ClassificationError> {
    let labels = |taker: &Contender<'_>| taker.classifier.labels(task).unwrap_or_default();
    let Some((first, others)) = takers.split_first() else {
        return Ok(None);
    };
    let known = labels(first);
    let sorted = |labels: &[String]| labels.iter().cloned().collect::<BTreeSet<_>>();
    for other in others {
        let found = labels(other);
        if sorted(&found) != sorted(&known) {
            return Err(ClassificationError::DifferentLabels {
                task: task.to_owned(),
                system: other.system.title,
                found: found.join(", "),
                first: first.system.title,
                known: known.join(", "),
            });
        }
    }
    Ok(Some(known))
}

/// Number of choices of a row.
fn choices(input: &LabelledInput) -> usize {
    match input {
        LabelledInput::Choices { choices, .. } => choices.len(),
        _ => 0,
    }
}

impl<'a> Plan<'a> {
    fn new(set: &'a TaskTest, mut labels: Vec<String>) -> Result<Self, ClassificationError> {
        let of_choices = labels.is_empty();
        if of_choices {
            let most = set.rows.iter().map(|row| choices(&row.input)).max();
            labels = numbers(most.unwrap_or(0));
        }
        let (mut rows, mut gold, mut set_aside) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (index, row) in set.rows.iter().enumerate() {
            let name = match of_choices {
                true => (row.label + 1).to_string(),
                false => set.labels.get(row.label).cloned().unwrap_or_default(),
            };
            if labels.contains(&name) {
                rows.push(index);
                gold.push(name);
            } else {
                *set_aside.entry(name).or_default() += 1;
            }
        }
        if rows.is_empty() {
            return Err(ClassificationError::ForeignLabels {
                set: set.described(),
                found: set_aside.into_keys().collect::<Vec<_>>().join(", "),
                known: labels.join(", "),
            });
        }
        Ok(Self {
            set,
            labels,
            rows,
            gold,
            set_aside,
        })
    }

    /// The result without systems.
    pub fn result(&self) -> SetResult {
        let set = self.set;
        let choices = |row: usize| match choices(&set.rows[row].input) {
            0 => self.labels.len(),
            count => count,
        };
        let rows = self.rows.iter().map(|&row| choices(row));
        SetResult {
            task: set.task.clone(),
            name: set.name.clone(),
            title: set.title.clone(),
            source: set.source,
            input: (set.rows.first()).map_or_else(InputKind::default, |row| (&row.input).into()),
            language: set.language.clone(),
            labels: self.labels.clone(),
            rows: self.rows.len(),
            set_aside: self.set_aside.clone(),
            rejected: set.rejected.clone(),
            chance: scores::chance(self.gold.iter().map(String::as_str).zip(rows)),
            systems: BTreeMap::new(),
            translation: None,
            comparisons: Vec::new(),
            changes: None,
        }
    }

    /// The result of the same set in an earlier evaluation.
    pub fn of<'r>(&self, earlier: &'r ClassificationResults) -> Option<&'r SetResult> {
        let set = self.set;
        earlier.set(&set.task, &set.name, &set.language.code)
    }

    /// The predictions that follow from the probabilities of the rows in `range`, whose labels are
    /// those of the contender. Any other number of probabilities is an error of its engine.
    pub fn checked(
        &self,
        found: Vec<Vec<f32>>,
        range: Range<usize>,
        labels: &[String],
        contender: &Contender<'_>,
    ) -> Result<Vec<Prediction>, EngineError> {
        let wrong = |message: String| {
            Err(EngineError::new(
                contender.classifier.identity().engine,
                message,
            ))
        };
        if found.len() != range.len() {
            return wrong(format!(
                "classified {} of {} texts",
                found.len(),
                range.len()
            ));
        }
        let mut predictions = Vec::with_capacity(found.len());
        for (position, probabilities) in range.zip(found) {
            let row = &self.set.rows[self.rows[position]];
            let numbers = numbers(choices(&row.input));
            let labels = if labels.is_empty() { &numbers } else { labels };
            let unread = probabilities.is_empty() && choices(&row.input) > 0;
            if !unread && (probabilities.len() != labels.len() || labels.is_empty()) {
                let (got, wanted) = (probabilities.len(), labels.len());
                return wrong(format!(
                    "returned {got} probabilities for the {wanted} labels of row {}",
                    row.id
                ));
            }
            let gold = &self.gold[position];
            predictions.push(Prediction::new(&row.id, gold, labels, &probabilities));
        }
        Ok(predictions)
    }
}
