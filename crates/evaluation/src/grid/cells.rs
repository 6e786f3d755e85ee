//! From scores to a table: means over seeds, intervals, ranks and tests.

use std::collections::BTreeSet;

use corpus::language::Language;

use super::collect::{Scored, SeriesScores, percent};
use super::{Block, Cell, GridTable, Roles, Row, Side};
use crate::metric::SegmentStatistics;
use crate::report::scores::LEVEL;
use crate::significance::{
    Confidence, Exchanges, PairedTest, Resampling, Ties, confidence_of_mean,
};

/// The table of a measure.
pub fn table(series: &SeriesScores, roles: &Roles) -> GridTable {
    let columns: BTreeSet<Language> = series.scores.keys().map(|(_, column, _)| *column).collect();
    let columns: Vec<Language> = columns.into_iter().collect();
    let blocks = [Side::Target, Side::Source].into_iter().filter_map(|side| {
        let present = series.scores.keys().any(|(other, ..)| *other == side);
        present.then(|| block(series, roles, side, &columns))
    });
    GridTable {
        benchmark: series.benchmark.clone(),
        measure: series.measure.name.clone(),
        signature: series.measure.signature.clone(),
        model: series.model.clone(),
        higher_is_better: series.measure.higher_is_better,
        average: (columns.len() > 1).then(|| "Avg.".to_owned()),
        blocks: blocks.collect(),
        columns: headings(&columns),
    }
}

/// The languages as the paper writes them, e.g. `POR`; by their whole code, if that is ambiguous.
fn headings(columns: &[Language]) -> Vec<String> {
    let short = |language: &Language| language.iso639_3().to_uppercase();
    let distinct: BTreeSet<String> = columns.iter().map(short).collect();
    let heading = |language: &Language| match distinct.len() == columns.len() {
        true => short(language),
        false => language.code().to_owned(),
    };
    columns.iter().map(heading).collect()
}

fn block(series: &SeriesScores, roles: &Roles, side: Side, columns: &[Language]) -> Block {
    let source = series.source.everyday_name();
    let title = match (series.translates, side) {
        (true, Side::Target) => format!("{source}-to-X"),
        (true, _) => format!("X-to-{source}"),
        (false, Side::Target) => "Target language".to_owned(),
        (false, _) => source.to_owned(),
    };
    let of = |method: &str, column: Language| {
        let key = (side, column, method.to_owned());
        series.scores.get(&key).filter(|scores| !scores.is_empty())
    };
    let mut rows: Vec<Row> = Vec::new();
    for method in &roles.methods {
        let scores = columns.iter().map(|column| of(method, *column));
        let mut cells: Vec<Option<Cell>> = scores
            .map(|scores| scores.map(|scores| cell(scores, series)))
            .collect();
        if columns.len() > 1 {
            cells.push(mean(&cells));
        }
        if cells.iter().any(Option::is_some) {
            let method = method.clone();
            rows.push(Row { method, cells });
        }
    }
    rank(&mut rows, series.measure.higher_is_better);
    if let Some(higher) = series.measure.higher_is_better {
        for (at, column) in columns.iter().enumerate() {
            test(&mut rows, at, roles, higher, series, |method| {
                of(method, *column)
            });
        }
    }
    Block { title, side, rows }
}

/// The mean over the seeds.
fn cell(scores: &[Scored], series: &SeriesScores) -> Cell {
    let count = scores.len() as f64;
    let mean = scores.iter().map(|one| one.score).sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|one| (one.score - mean).powi(2)).sum();
    let statistics: Vec<&SegmentStatistics> = scores.iter().map(|one| &one.statistics).collect();
    let documents = statistics.iter().map(|one| one.len());
    let same = documents.clone().min() == documents.clone().max() && documents.min() > Some(0);
    let scale = |value: f64| percent(value, &series.measure);
    let confidence = same.then(|| {
        let aggregate = &series.measure.aggregate;
        let interval = confidence_of_mean(&statistics, aggregate, &Resampling::default());
        Confidence {
            mean: scale(interval.mean),
            half_width: scale(interval.half_width),
            low: scale(interval.low),
            high: scale(interval.high),
            standard_error: scale(interval.standard_error),
        }
    });
    Cell {
        score: mean,
        confidence,
        seeds: scores.len(),
        deviation: (scores.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
        ..Cell::default()
    }
}

/// The mean of the cells; `None` unless all are there.
pub fn mean(cells: &[Option<Cell>]) -> Option<Cell> {
    let scores: Option<Vec<f64>> = cells
        .iter()
        .map(|cell| Some(cell.as_ref()?.score))
        .collect();
    let scores = scores.filter(|scores| !scores.is_empty())?;
    Some(Cell::of(scores.iter().sum::<f64>() / scores.len() as f64))
}

/// Marks the best and second best of every column, as printed with two decimals.
pub fn rank(rows: &mut [Row], higher_is_better: Option<bool>) {
    let Some(higher) = higher_is_better else {
        return;
    };
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    for column in 0..columns {
        let printed = |cell: &Cell| (100.0 * cell.score).round() as i64;
        let cells = rows
            .iter()
            .filter_map(|row| row.cells.get(column)?.as_ref());
        let mut values: Vec<i64> = cells.map(printed).collect();
        values.sort_unstable();
        values.dedup();
        if higher {
            values.reverse();
        }
        for row in rows.iter_mut() {
            if let Some(Some(cell)) = row.cells.get_mut(column) {
                let rank = values.iter().position(|value| *value == printed(cell));
                cell.rank = rank.map(|rank| rank + 1).filter(|&rank| rank <= 2);
            }
        }
    }
}

/// Tests our method against the best baseline of the column `at`.
fn test<'s>(
    rows: &mut [Row],
    at: usize,
    roles: &Roles,
    higher: bool,
    series: &SeriesScores,
    of: impl Fn(&str) -> Option<&'s Vec<Scored>>,
) {
    let Some(ours) = &roles.ours else { return };
    let score = |row: &Row| row.cells[at].as_ref().map(|cell| cell.score);
    let baselines = rows
        .iter()
        .filter(|row| roles.baselines.contains(&row.method));
    let best = baselines
        .filter_map(|row| Some((score(row)?, &row.method)))
        .max_by(|one, other| match higher {
            true => one.0.total_cmp(&other.0),
            false => other.0.total_cmp(&one.0),
        });
    let Some((_, best)) = best else { return };
    let (Some(first), Some(second)) = (of(best), of(ours)) else {
        return;
    };
    let Some(test) = paired(first, second, series) else {
        return;
    };
    if let Some(row) = rows.iter_mut().find(|row| row.method == *ours)
        && let Some(cell) = &mut row.cells[at]
    {
        cell.p_value = Some(test.p_value);
        cell.better = (test.p_value < LEVEL).then_some((test.difference > 0.0) == higher);
    }
}

/// Approximate randomisation over the documents, whose counts are summed over the seeds; `None`
/// unless all evaluations have the same documents.
fn paired(first: &[Scored], second: &[Scored], series: &SeriesScores) -> Option<PairedTest> {
    let mut all = first.iter().chain(second);
    let documents = &first.first()?.documents;
    let same = all.all(|one| one.documents == *documents && !one.statistics.is_empty());
    // An unequal number of seeds would weigh the sums differently.
    if !same || first.len() != second.len() {
        return None;
    }
    let [one, other] = [first, second].map(pooled);
    let exchanges = Exchanges::draw(one.len(), &Resampling::TRIALS);
    Some(exchanges.test(&one, &other, &series.measure.aggregate, Ties::Counted))
}

fn pooled(scores: &[Scored]) -> SegmentStatistics {
    let rows = scores[0].statistics.len();
    let row = |at: usize| {
        let mut sum = vec![0.0; scores[0].statistics.width()];
        for one in scores {
            crate::metric::add(&mut sum, one.statistics.row(at));
        }
        sum
    };
    SegmentStatistics::from_rows((0..rows).map(row).collect())
}
