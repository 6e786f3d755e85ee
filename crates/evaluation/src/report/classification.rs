//! Systems on labelled test sets: their scores in `report.json`, and boards that put the languages
//! of a test set together.

use std::collections::BTreeMap;

use super::scores::{ScoreRow, Verdict};
use crate::classification::{
    ACCURACY, ClassificationResults, Comparison, LLM_ZERO_SHOT, LanguageMean, MACRO_F1, SetResult,
    SystemRecord,
};
use crate::results::MeasuredScore;

/// The languages of a test set, and the systems that were tested on it.
pub struct Board<'a> {
    /// Title of the test set, with the task if several tasks have one of that title.
    pub title: String,
    /// The test sets: the language of training first, then by the accuracy of the first system.
    pub sets: Vec<&'a SetResult>,
    /// The systems, in order.
    pub systems: Vec<&'a SystemRecord>,
    /// Number of test sets in the language of training at the beginning of `sets`: 0 or 1.
    pub of_source: usize,
    /// The means over the other languages, of all test sets.
    means: &'a [LanguageMean],
}

/// The boards of an evaluation, in the order of the test sets.
pub fn boards(results: &ClassificationResults) -> Vec<Board<'_>> {
    let mut boards: Vec<Vec<&SetResult>> = Vec::new();
    for set in results.sets.iter().filter(|set| !set.systems.is_empty()) {
        let same =
            |board: &&mut Vec<&SetResult>| board[0].task == set.task && board[0].name == set.name;
        match boards.iter_mut().find(same) {
            Some(board) => board.push(set),
            None => boards.push(vec![set]),
        }
    }
    let mut titles: BTreeMap<&str, usize> = BTreeMap::new();
    for board in &boards {
        *titles.entry(&board[0].title).or_default() += 1;
    }
    let boards = boards.into_iter();
    boards
        .map(|sets| {
            let is_unique = titles[sets[0].title.as_str()] == 1;
            Board::new(results, sets, is_unique)
        })
        .collect()
}

fn accuracy(set: &SetResult, system: &str) -> f64 {
    score(set, system, ACCURACY).map_or(0.0, |measured| measured.score)
}

/// The score of a system on a test set.
pub fn score<'a>(set: &'a SetResult, system: &str, measure: &str) -> Option<&'a MeasuredScore> {
    set.systems.get(system)?.measure(measure)
}

/// The test of the first system against `system`.
pub fn comparison<'a>(set: &'a SetResult, system: &str, measure: &str) -> Option<&'a Comparison> {
    let mut comparisons = set.comparisons.iter();
    comparisons.find(|one| one.system == system && one.measure == measure)
}

impl<'a> Board<'a> {
    fn new(
        results: &'a ClassificationResults,
        mut sets: Vec<&'a SetResult>,
        is_unique: bool,
    ) -> Self {
        let first = sets[0];
        let title = match is_unique {
            true => first.title.clone(),
            false => format!("{} ({})", first.title, first.task),
        };
        let systems: Vec<&SystemRecord> = (results.systems.iter())
            .filter(|system| {
                sets.iter()
                    .any(|set| set.systems.contains_key(&system.name))
            })
            .collect();
        let main = systems.first().map_or("", |system| &system.name);
        sets.sort_by(|one, other| {
            let of_source = other.is_of_source().cmp(&one.is_of_source());
            of_source.then(accuracy(other, main).total_cmp(&accuracy(one, main)))
        });
        Self {
            title,
            of_source: sets.iter().filter(|set| set.is_of_source()).count(),
            means: &results.means,
            sets,
            systems,
        }
    }

    /// The system that the others are compared with.
    pub fn main(&self) -> Option<&SystemRecord> {
        self.systems.first().copied()
    }

    /// The first of the others.
    pub fn reference(&self) -> Option<&SystemRecord> {
        self.systems.get(1).copied()
    }

    /// The test sets in other languages than that of training.
    pub fn transfer(&self) -> &[&SetResult] {
        &self.sets[self.of_source..]
    }

    /// The mean of a measure over the other languages with its interval; `None` if the system lacks
    /// one of them, or its predictions are gone.
    pub fn language_mean(&self, system: &str, measure: &str) -> Option<&'a LanguageMean> {
        let first = self.sets.first()?;
        self.means.iter().find(|mean| {
            (mean.task == first.task && mean.name == first.name)
                && (mean.system == system && mean.measure == measure)
        })
    }

    /// Mean of a measure over the other languages; `None` if the system lacks one of them.
    pub fn mean(&self, system: &str, measure: &str) -> Option<f64> {
        let scores = self
            .transfer()
            .iter()
            .map(|set| score(set, system, measure));
        let sum: Option<f64> = scores.map(|score| score.map(|score| score.score)).sum();
        sum.filter(|_| !self.transfer().is_empty())
            .map(|sum| sum / self.transfer().len() as f64)
    }
}

/// A row for each system, test set and measure. The first system of a set is shown with the LLM's
/// own score on the same rows before it.
pub(super) fn scores(results: &ClassificationResults) -> Vec<ScoreRow> {
    let mut rows = Vec::new();
    for set in &results.sets {
        let present = |system: &&SystemRecord| set.systems.contains_key(&system.name);
        let systems: Vec<&SystemRecord> = results.systems.iter().filter(present).collect();
        for (number, system) in systems.iter().enumerate() {
            for key in [ACCURACY, MACRO_F1] {
                let Some(own) = score(set, &system.name, key) else {
                    continue;
                };
                let before = score(set, LLM_ZERO_SHOT.name, key).filter(|_| number == 0);
                let before = before.filter(|_| system.name != LLM_ZERO_SHOT.name);
                let test = before.and_then(|_| comparison(set, LLM_ZERO_SHOT.name, key));
                let higher = own.measure.higher_is_better;
                rows.push(ScoreRow {
                    name: own.measure.name.clone(),
                    task: match set.task == set.name {
                        true => set.task.clone(),
                        false => format!("{}/{}", set.task, set.name),
                    },
                    key: key.to_owned(),
                    group: format!("{}, {}", set.title, set.language.name),
                    title: format!("{}, {}", system.title, own.measure.name),
                    headline: None,
                    language: set.language.code.clone(),
                    system: Some(system.name.clone()),
                    before: before.map(|score| score.score),
                    after: Some(own.score),
                    signature: own.measure.signature.clone(),
                    unit: own.measure.unit.clone(),
                    higher_is_better: higher,
                    before_confidence: before.map(|score| score.confidence),
                    after_confidence: Some(own.confidence),
                    p_value: test.map(|one| one.test.p_value),
                    verdict: test.map(|one| Verdict::of(&one.test, higher)),
                });
            }
        }
    }
    rows
}
