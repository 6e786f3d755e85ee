//! From scores to a table: means over seeds, intervals, ranks and tests.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{Scored, SeriesScores, percent};
use super::column::{Column, headings};
use super::{Block, Cell, GridTable, Roles, Row, Side};
use crate::metric::SegmentStatistics;
use crate::report::scores::LEVEL;
use crate::significance::{
    Alignment, Confidence, Exchanges, MeanScores, PairedTest, Resampling, Ties, confidence_of_mean,
};

/// The table of a measure.
pub fn table(series: &SeriesScores, roles: &Roles) -> GridTable {
    let columns = series.scores.keys().map(|(_, column, _)| column.clone());
    let columns: BTreeSet<Column> = columns.collect();
    let columns: Vec<Column> = columns.into_iter().collect();
    let sides = [Side::Target, Side::Source, Side::Both].into_iter();
    let blocks = sides.filter_map(|side| {
        let present = series.scores.keys().any(|(other, ..)| *other == side);
        present.then(|| block(series, roles, side, &columns))
    });
    GridTable {
        benchmark: series.benchmark.clone(),
        measure: series.measure.name.clone(),
        signature: series.measure.signature.clone(),
        model: series.model.clone(),
        higher_is_better: series.measure.higher_is_better,
        average: averaged(&columns).map(|_| "Avg.".to_owned()),
        blocks: blocks.collect(),
        columns: headings(&columns),
    }
}

/// The first column of those that are averaged: all but the language of training. `None`, if there
/// are fewer than two.
fn averaged(columns: &[Column]) -> Option<usize> {
    let first = columns.iter().take_while(|column| !column.is_other).count();
    (columns.len() > first + 1).then_some(first)
}

fn block(series: &SeriesScores, roles: &Roles, side: Side, columns: &[Column]) -> Block {
    let source = series.source.everyday_name();
    let title = match (series.translates, side) {
        (true, Side::Target) => format!("{source}-to-X"),
        (true, _) => format!("X-to-{source}"),
        (false, Side::Target) => "Target language".to_owned(),
        (false, Side::Both) => format!("{source} and other languages"),
        (false, _) => source.to_owned(),
    };
    let of = |method: &str, column: &Column| {
        let key = (side, column.clone(), method.to_owned());
        series.scores.get(&key).filter(|scores| !scores.is_empty())
    };
    let mut rows: Vec<Row> = Vec::new();
    // Resampled once for the interval of the average and for its test.
    let mut resampled = BTreeMap::<&str, MeanScores>::new();
    for method in &roles.methods {
        let scores = columns.iter().map(|column| of(method, column));
        let mut cells: Vec<Option<Cell>> = scores
            .map(|scores| scores.map(|scores| cell(scores, series)))
            .collect();
        if let Some(first) = averaged(columns) {
            let scores = columns[first..].iter().map(|column| of(method, column));
            let scores: Vec<_> = scores.collect();
            let mean = mean(&cells[first..]);
            cells.push(match means(scores.clone(), series) {
                Some(means) => {
                    let own = average(mean, &scores, &means, series);
                    resampled.insert(method, means);
                    own
                }
                None => mean,
            });
        }
        if cells.iter().any(Option::is_some) {
            let method = method.clone();
            rows.push(Row { method, cells });
        }
    }
    rank(&mut rows, series.measure.higher_is_better);
    if let Some(higher) = series.measure.higher_is_better {
        for (at, column) in columns.iter().enumerate() {
            test(&mut rows, at, roles, higher, |ours, best| {
                let test = paired(of(best, column)?, of(ours, column)?, series)?;
                let is_better = (test.difference > 0.0) == higher;
                Some((
                    Some(test.p_value),
                    (test.p_value < LEVEL).then_some(is_better),
                ))
            });
        }
        if averaged(columns).is_some() {
            test(&mut rows, columns.len(), roles, higher, |ours, best| {
                let [ours, best] = [ours, best].map(|method| resampled.get(method));
                let interval = ours?.confidence_beyond(best?);
                let is_better = (interval.low > 0.0) == higher;
                let is_significant = interval.low > 0.0 || interval.high < 0.0;
                Some((None, is_significant.then_some(is_better)))
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
    let confidence = same.then(|| {
        let aggregate = &series.measure.aggregate;
        let interval = confidence_of_mean(&statistics, aggregate, &Resampling::default());
        in_unit_of_cells(&interval, series)
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

/// The `mean` over languages, with its interval and its deviation over seeds.
fn average(
    mean: Option<Cell>,
    scores: &[Option<&Vec<Scored>>],
    resampled: &MeanScores,
    series: &SeriesScores,
) -> Option<Cell> {
    let mean = mean?;
    let languages: Vec<&Vec<Scored>> = scores.iter().copied().flatten().collect();
    let seeds = languages[0].len();
    let of_seed = |seed: usize| {
        let scores = languages.iter().map(|scores| scores[seed].score);
        scores.sum::<f64>() / languages.len() as f64
    };
    let squares: f64 = (0..seeds)
        .map(|seed| (of_seed(seed) - mean.score).powi(2))
        .sum();
    Some(Cell {
        confidence: Some(in_unit_of_cells(&resampled.confidence(), series)),
        seeds,
        deviation: (seeds > 1).then(|| (squares / (seeds - 1) as f64).sqrt()),
        ..mean
    })
}

/// The mean over languages and seeds, resampled over the rows, which languages may share. `None`
/// unless all languages have the same seeds, and all seeds the same rows, with known ids.
fn means(scores: Vec<Option<&Vec<Scored>>>, series: &SeriesScores) -> Option<MeanScores> {
    let languages: Vec<&Vec<Scored>> = scores.into_iter().collect::<Option<_>>()?;
    let is_whole = languages.iter().all(|scores| {
        let first = &scores[0];
        scores.len() == languages[0].len()
            && scores.iter().all(|one| one.documents == first.documents)
            && !first.ids.is_empty()
    });
    if !is_whole {
        return None;
    }
    let ids = languages.iter().map(|scores| {
        let ids = scores[0].ids.iter();
        ids.map(String::as_str).collect()
    });
    let alignment = Alignment::new(&ids.collect::<Vec<_>>());
    let aligned = languages.iter().enumerate().flat_map(|(language, scores)| {
        let align = |one: &Scored| alignment.align(language, &one.statistics);
        scores.iter().map(align).collect::<Vec<_>>()
    });
    let resamples = alignment.resamples(&Resampling::default());
    let aligned: Vec<SegmentStatistics> = aligned.collect();
    Some(MeanScores::new(
        &aligned,
        &series.measure.aggregate,
        &resamples,
    ))
}

/// An interval of the measure in the unit of cells: shares in per cent.
fn in_unit_of_cells(interval: &Confidence, series: &SeriesScores) -> Confidence {
    let scale = |value: f64| percent(value, &series.measure);
    Confidence {
        mean: scale(interval.mean),
        half_width: scale(interval.half_width),
        low: scale(interval.low),
        high: scale(interval.high),
        standard_error: scale(interval.standard_error),
    }
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

/// Tests our method against the best baseline of the column `at`. `compare` is given both and
/// returns a p-value, and whether ours is better if they differ significantly.
fn test(
    rows: &mut [Row],
    at: usize,
    roles: &Roles,
    higher: bool,
    compare: impl Fn(&str, &str) -> Option<(Option<f64>, Option<bool>)>,
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
    let Some((p_value, better)) = compare(ours, best) else {
        return;
    };
    if let Some(row) = rows.iter_mut().find(|row| row.method == *ours)
        && let Some(cell) = &mut row.cells[at]
    {
        cell.p_value = p_value;
        cell.better = better;
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
