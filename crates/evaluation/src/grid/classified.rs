//! The scores of classifiers: a row per system, a column per language.

use std::collections::BTreeMap;

use artefacts::Key;

use super::collect::{Scored, SeriesScores, percent};
use super::column::Column;
use super::{Entry, Roles, Side};
use crate::classification::{ClassificationResults, Prediction, SetResult, statistics};
use crate::results::MeasuredScore;

/// All scores of the finished evaluations of classifiers, by test set and measure.
pub fn scores(entries: &[Entry]) -> Vec<SeriesScores> {
    let single = is_single(entries);
    let (mut places, mut all) = (Vec::new(), Vec::<SeriesScores>::new());
    for (entry, results) in evaluated(entries) {
        for set in &results.sets {
            for (number, system) in results.systems.iter().enumerate() {
                let Some(scores) = set.systems.get(&system.name) else {
                    continue;
                };
                let rows = set.predictions(&entry.folder, &system.name);
                let method = row(&entry.method, number, &system.title, single);
                for measured in &scores.measures {
                    let key = &measured.measure.key;
                    let place = [&set.task, &set.name, key].map(String::clone);
                    let place = (entry.model.clone(), place);
                    let at = places.iter().position(|known| *known == place);
                    let at = at.unwrap_or_else(|| {
                        places.push(place);
                        all.push(series(entry, set, measured));
                        all.len() - 1
                    });
                    let column = Column {
                        is_other: !set.is_of_source(),
                        code: set.language.code.clone(),
                    };
                    let cell = (Side::Both, column, method.clone());
                    let seeds = all[at].scores.entry(cell).or_default();
                    seeds.push(scored(set, measured, &rows));
                }
            }
        }
    }
    all
}

fn series(entry: &Entry, set: &SetResult, measured: &MeasuredScore) -> SeriesScores {
    SeriesScores {
        benchmark: match set.task == set.title {
            true => set.title.clone(),
            false => format!("{} ({})", set.title, set.task),
        },
        measure: measured.measure.clone(),
        model: entry.model.clone(),
        averaged: None,
        source: set.source,
        translates: false,
        scores: BTreeMap::new(),
    }
}

fn scored(set: &SetResult, measured: &MeasuredScore, rows: &[Prediction]) -> Scored {
    let measure = &measured.measure;
    let documents: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.id.as_str(), row.gold.as_str()))
        .collect();
    Scored {
        score: percent(measured.score, measure),
        documents: Key::of(&documents).to_string(),
        statistics: statistics(rows, &set.labels, &measure.key),
        ids: rows.iter().map(|row| row.id.clone()).collect(),
    }
}

/// What the rows of classifiers are to each other: the first system of our method is tested against
/// all others. `roles` itself, if there are none.
pub fn expanded(entries: &[Entry], roles: &Roles) -> Roles {
    let single = is_single(entries);
    let mut systems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (entry, results) in evaluated(entries) {
        let rows = systems.entry(&entry.method).or_default();
        for (number, system) in results.systems.iter().enumerate() {
            let row = row(&entry.method, number, &system.title, single);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    let of = |method: &String| systems.get(method.as_str()).cloned().unwrap_or_default();
    let methods: Vec<String> = roles.methods.iter().flat_map(of).collect();
    if methods.is_empty() {
        return roles.clone();
    }
    let ours = match &roles.ours {
        Some(ours) => of(ours).into_iter().next(),
        None => methods.first().cloned(),
    };
    let others = methods.iter().filter(|row| Some(*row) != ours.as_ref());
    Roles {
        baselines: others.cloned().collect(),
        ours,
        methods,
        reference: None,
    }
}

/// The row of a system: the method itself, if it is the first of several methods' runs.
fn row(method: &str, number: usize, title: &str, single: bool) -> String {
    match number {
        _ if single => title.to_owned(),
        0 => method.to_owned(),
        _ => format!("{method}, {title}"),
    }
}

/// Whether all runs have the same method, so that the systems need no other name.
fn is_single(entries: &[Entry]) -> bool {
    let mut methods = entries.iter().map(|entry| &entry.method);
    let first = methods.next();
    methods.all(|method| Some(method) == first)
}

fn evaluated(entries: &[Entry]) -> impl Iterator<Item = (&Entry, ClassificationResults)> {
    let entries = entries.iter();
    let read =
        entries.filter_map(|entry| Some((entry, ClassificationResults::read(&entry.folder)?)));
    read.filter(|(_, results)| results.complete)
}
