//! The mean over languages of each system, with intervals.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::scores::{measures, statistics};
use super::{Prediction, SetResult, System, SystemRecord};
use crate::metric::SegmentStatistics;
use crate::significance::{Alignment, Confidence, MeanScores, Resampling};

/// The mean of a system's scores over the languages of a data set other than that of training.
///
/// Its interval is a bootstrap over the rows; rows with the same id in several languages are drawn
/// together. Languages are not resampled: the interval is about these languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageMean {
    /// The task.
    pub task: String,
    /// Name of the data set.
    pub name: String,
    /// Name of the system.
    pub system: String,
    /// Key of the measure.
    pub measure: String,
    /// Number of languages.
    pub languages: usize,
    /// The mean.
    pub score: f64,
    /// Its 95 % interval.
    pub confidence: Confidence,
    /// The first system's mean minus this one, on the same resamples; `None` for the first system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Lead>,
}

/// A difference between the means of two systems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// The difference.
    pub difference: f64,
    /// Its 95 % interval.
    #[serde(flatten)]
    pub confidence: Confidence,
}

impl Lead {
    /// Whether 0 is outside the interval.
    pub fn is_significant(&self) -> bool {
        self.confidence.low > 0.0 || self.confidence.high < 0.0
    }
}

/// The means of the `systems` that have scores in all languages but that of training, of every data
/// set with at least two of them. Empty for sets whose predictions in `folder` are gone.
pub(super) fn means(
    sets: &[SetResult],
    systems: &[SystemRecord],
    folder: &Path,
    resampling: &Resampling,
) -> Vec<LanguageMean> {
    let others = || sets.iter().filter(|set| !set.is_of_source());
    let mut names: Vec<(&str, &str)> = Vec::new();
    for set in others() {
        let name = (set.task.as_str(), set.name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of = names.into_iter().flat_map(|(task, name)| {
        let same = |set: &&SetResult| set.task == task && set.name == name;
        let languages: Vec<&SetResult> = others().filter(same).collect();
        match languages.len() {
            0 | 1 => Vec::new(),
            _ => of_data_set(&languages, systems, folder, resampling),
        }
    });
    of.collect()
}

fn of_data_set(
    sets: &[&SetResult],
    systems: &[SystemRecord],
    folder: &Path,
    resampling: &Resampling,
) -> Vec<LanguageMean> {
    let read = |system: &SystemRecord| {
        let predictions = sets.iter().map(|set| {
            set.systems.get(&system.name)?;
            Some(set.predictions(folder, &system.name)).filter(|rows| !rows.is_empty())
        });
        predictions.collect::<Option<Vec<Vec<Prediction>>>>()
    };
    let mut found: Vec<(&SystemRecord, Vec<Vec<Prediction>>)> = (systems.iter())
        .filter_map(|system| Some((system, read(system)?)))
        .collect();
    found.sort_by_key(|(system, _)| System::position(&system.name));
    let Some((_, first)) = found.first() else {
        return Vec::new();
    };
    let ids = |rows: &Vec<Prediction>| rows.iter().map(|row| row.id.clone()).collect();
    let ids: Vec<Vec<String>> = first.iter().map(ids).collect();
    let ids: Vec<Vec<&str>> = ids
        .iter()
        .map(|ids| ids.iter().map(String::as_str).collect())
        .collect();
    let alignment = Alignment::new(&ids);
    let resamples = alignment.resamples(resampling);
    let mut means: Vec<LanguageMean> = Vec::new();
    for measure in measures(0, false) {
        let mut first: Option<MeanScores> = None;
        for (system, predictions) in &found {
            let aligned = aligned(&alignment, sets, predictions, &measure.key);
            let own = MeanScores::new(&aligned, &measure.aggregate, &resamples);
            means.push(LanguageMean {
                task: sets[0].task.clone(),
                name: sets[0].name.clone(),
                system: system.name.clone(),
                measure: measure.key.clone(),
                languages: sets.len(),
                score: own.score,
                confidence: own.confidence(),
                lead: first.as_ref().map(|first| Lead {
                    difference: first.score - own.score,
                    confidence: first.confidence_beyond(&own),
                }),
            });
            first.get_or_insert(own);
        }
    }
    means
}

/// The statistics of a system's predictions in each language.
fn aligned(
    alignment: &Alignment,
    sets: &[&SetResult],
    predictions: &[Vec<Prediction>],
    measure: &str,
) -> Vec<SegmentStatistics> {
    let of_set = |(number, (set, rows)): (usize, (&&SetResult, &Vec<Prediction>))| {
        alignment.align(number, &statistics(rows, &set.labels, measure))
    };
    sets.iter()
        .zip(predictions)
        .enumerate()
        .map(of_set)
        .collect()
}
