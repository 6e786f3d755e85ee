//! Several evaluations side by side: the scores of the tasks that they share, and paired tests of
//! each against the first on the same documents.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::results::{MeasuredScore, Results};
use crate::significance::{Exchanges, Resampled, Resamples, Resampling, Ties};
use crate::task::Sample;

/// An evaluation to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// Its name in the table.
    pub name: String,
    /// Folder with `results.json` and the samples.
    pub folder: PathBuf,
}

/// Error returned when evaluations cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// There are no results in the folder.
    #[error(
        "{}: no results.json; finish the run's evaluation first (`xldistill evaluate CONFIG`), or \
         name a folder with results.json",
        folder.display()
    )]
    NoResults {
        /// The folder.
        folder: PathBuf,
    },
    /// No task occurs in all evaluations.
    #[error("the runs share no task; evaluate them on the same material: {0}")]
    NothingShared(String),
}

/// A measure of a task in all evaluations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The task.
    pub task: String,
    /// Its title.
    pub title: String,
    /// Name of the measure.
    pub measure: String,
    /// Unit, e.g. `%`.
    pub unit: String,
    /// `None` if neither is better.
    pub higher_is_better: Option<bool>,
    /// The scores, in the order of the evaluations.
    pub scores: Vec<Compared>,
}

/// A score and its difference from the first evaluation's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The score.
    pub score: f64,
    /// Score minus that of the first evaluation.
    pub difference: f64,
    /// p-value of approximate randomisation over the documents; `None` for the first evaluation
    /// and on other documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub randomisation_p: Option<f64>,
    /// p-value of the paired bootstrap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_p: Option<f64>,
}

/// Compares the scores of the tasks that all evaluations share.
///
/// # Errors
/// An evaluation without results, and evaluations that share no task.
pub fn compare(contestants: &[Contestant]) -> Result<Vec<Comparison>, CompareError> {
    let read = |one: &Contestant| {
        Results::read(&one.folder).ok_or_else(|| CompareError::NoResults {
            folder: one.folder.clone(),
        })
    };
    let all: Vec<Results> = contestants.iter().map(read).collect::<Result<_, _>>()?;
    let Some(first) = all.first() else {
        return Ok(Vec::new());
    };
    let has = |results: &Results, task: &str| results.xldistill.tasks.contains_key(task);
    let mut shared: Vec<_> = first.xldistill.tasks.iter().collect();
    shared.retain(|(task, _)| all.iter().all(|results| has(results, task)));
    shared.sort_by_key(|(task, record)| (record.presentation.order, (*task).clone()));
    if shared.is_empty() {
        let tasks = contestants.iter().zip(&all).map(|(one, results)| {
            let names: Vec<&str> = results.xldistill.tasks.keys().map(String::as_str).collect();
            format!("{} has {}", one.name, names.join(", "))
        });
        return Err(CompareError::NothingShared(
            tasks.collect::<Vec<_>>().join("; "),
        ));
    }
    let mut comparisons = Vec::new();
    for (task, record) in shared {
        let samples: Vec<Vec<Sample>> = contestants
            .iter()
            .map(|one| crate::suite::read_samples(&samples_of(&one.folder, task)))
            .collect();
        let documents = samples[0].len();
        let hash = |results: &Results| results.task_hashes.get(task).cloned();
        let alike = |at: usize| hash(&all[at]) == hash(first) && samples[at].len() == documents;
        let exchanges = Exchanges::draw(documents, &Resampling::TRIALS);
        let resamples = Resamples::draw(documents, &Resampling::default());
        for measured in &record.measures {
            let scores = all.iter().enumerate().filter_map(|(at, results)| {
                let measures = &results.xldistill.tasks[task].measures;
                let own = measures
                    .iter()
                    .find(|one| one.measure.key == measured.measure.key)?;
                let same_measure = own.measure.is_comparable(&measured.measure);
                let same = at > 0 && documents > 0 && same_measure && alike(at);
                Some(compared(
                    measured,
                    own,
                    same.then(|| [&samples[0], &samples[at]]),
                    (&exchanges, &resamples),
                ))
            });
            let scores: Vec<Compared> = scores.collect();
            if scores.len() == all.len() {
                comparisons.push(Comparison {
                    task: task.clone(),
                    title: record.presentation.title.clone(),
                    measure: measured.measure.name.clone(),
                    unit: measured.measure.unit.clone(),
                    higher_is_better: measured.measure.higher_is_better,
                    scores,
                });
            }
        }
    }
    Ok(comparisons)
}

fn samples_of(folder: &Path, task: &str) -> PathBuf {
    folder.join(Results::samples_file(task))
}

/// The score `own` beside the first evaluation's; tested if both have these samples.
fn compared(
    first: &MeasuredScore,
    own: &MeasuredScore,
    samples: Option<[&Vec<Sample>; 2]>,
    (exchanges, resamples): (&Exchanges, &Resamples),
) -> Compared {
    let measure = &first.measure;
    let tests = samples.map(|samples| {
        let [one, other] = samples.map(|one| crate::suite::statistics(one, &measure.key));
        let randomised = exchanges.test(&one, &other, &measure.aggregate, Ties::Counted);
        let [first, second] =
            [&one, &other].map(|one| Resampled::new(one, &measure.aggregate, resamples));
        (randomised.p_value, first.test(&second).p_value)
    });
    Compared {
        score: own.score,
        difference: own.score - first.score,
        randomisation_p: tests.map(|tests| tests.0),
        bootstrap_p: tests.map(|tests| tests.1),
    }
}
