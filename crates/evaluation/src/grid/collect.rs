//! Collects the scores of all runs by test set, measure and column.

use std::collections::BTreeMap;

use corpus::language::Language;

use super::column::Column;
use super::{Entry, Side};
use crate::metric::SegmentStatistics;
use crate::results::{Results, TaskRecord};
use crate::task::{Averaged, Measure, SHARE, Sample};

/// The scores of a measure of a test set.
pub struct SeriesScores {
    /// Name of the test set.
    pub benchmark: String,
    /// The measure.
    pub measure: Measure,
    /// The model that was trained.
    pub model: Option<String>,
    /// Its part in the averages.
    pub averaged: Option<Averaged>,
    /// The language that the models are strong in.
    pub source: Language,
    /// Whether it is translation, so that the blocks are directions.
    pub translates: bool,
    /// The scores by block, column and method: one per seed.
    pub scores: BTreeMap<(Side, Column, String), Vec<Scored>>,
}

/// The score of one evaluation.
pub struct Scored {
    /// The score, in per cent if it is a share.
    pub score: f64,
    /// Hash of the documents, without the model.
    pub documents: String,
    /// Counts per document; empty if the samples are gone.
    pub statistics: SegmentStatistics,
    /// Identifiers of the documents that languages share; empty if they share none.
    pub ids: Vec<String>,
}

/// All scores of the finished evaluations, in the order in which the tables are shown.
pub fn scores(entries: &[Entry]) -> Vec<SeriesScores> {
    let mut all: BTreeMap<_, SeriesScores> = BTreeMap::new();
    let mut models: Vec<&Option<String>> = Vec::new();
    for entry in entries {
        let Some(results) = Results::read(&entry.folder) else {
            continue;
        };
        if !models.contains(&&entry.model) {
            models.push(&entry.model);
        }
        let model = models.iter().position(|known| **known == entry.model);
        for (name, record) in &results.xldistill.tasks {
            let Some(series) = &record.presentation.series else {
                continue;
            };
            let samples =
                crate::suite::read_samples(&entry.folder.join(Results::samples_file(name)));
            for (at, key) in series.measures.iter().enumerate() {
                let Some(measured) = record.measures.iter().find(|one| one.measure.key == *key)
                else {
                    continue;
                };
                let position = (
                    model,
                    record.presentation.order,
                    series.benchmark.clone(),
                    at,
                );
                let source = results.xldistill.source;
                let scores = all.entry(position).or_insert_with(|| SeriesScores {
                    benchmark: series.benchmark.clone(),
                    measure: measured.measure.clone(),
                    model: entry.model.clone(),
                    averaged: series.averaged.clone().filter(|one| one.measure == *key),
                    source,
                    translates: series.from.is_some(),
                    scores: BTreeMap::new(),
                });
                let documents = results.task_hashes.get(name).cloned().unwrap_or_default();
                let (side, columns) = columns(entry, record, source);
                for column in columns {
                    let column = Column::other(column.code());
                    let cell = (side, column, entry.method.clone());
                    scores.scores.entry(cell).or_default().push(Scored {
                        score: percent(measured.score, &measured.measure),
                        documents: documents.clone(),
                        statistics: statistics(&samples, key),
                        ids: Vec::new(),
                    });
                }
            }
        }
    }
    all.into_values().collect()
}

/// The block and the columns of a task's score. A score in the source language belongs to every
/// target language that the model was trained for.
fn columns(entry: &Entry, record: &TaskRecord, source: Language) -> (Side, Vec<Language>) {
    let from = record
        .presentation
        .series
        .as_ref()
        .and_then(|series| series.from);
    match (record.language == source, from) {
        (true, Some(from)) => (Side::Source, vec![from]),
        (true, None) => (Side::Source, entry.targets.clone()),
        (false, _) => (Side::Target, vec![record.language]),
    }
}

fn statistics(samples: &[Sample], key: &str) -> SegmentStatistics {
    match samples.is_empty() {
        true => SegmentStatistics::default(),
        false => crate::suite::statistics(samples, key),
    }
}

/// `score`, in per cent if it is a share.
pub fn percent(score: f64, measure: &Measure) -> f64 {
    match measure.unit == SHARE {
        true => 100.0 * score,
        false => score,
    }
}
