//! Averages over test sets, and gains over a reference.

use std::collections::BTreeMap;

use super::collect::SeriesScores;
use super::{Block, Cell, GridTable, Roles, Row, Side, cells};
use crate::task::Skill;

/// The averages over the test sets of each skill (Table 6), one table per model. Empty if no method
/// has scores on all test sets of a skill.
pub fn averages(tables: &[GridTable], collected: &[SeriesScores], roles: &Roles) -> Vec<GridTable> {
    let mut models: Vec<&Option<String>> = Vec::new();
    for series in collected {
        if !models.contains(&&series.model) {
            models.push(&series.model);
        }
    }
    let of_model = |model: &Option<String>| {
        let pairs = tables.iter().zip(collected);
        let parts: Vec<(Skill, &GridTable)> = pairs
            .filter(|(_, series)| series.model == *model)
            .filter_map(|(table, series)| Some((series.averaged.as_ref()?.skill, table)))
            .collect();
        table(&parts, model, roles)
    };
    models.into_iter().filter_map(of_model).collect()
}

fn table(
    parts: &[(Skill, &GridTable)],
    model: &Option<String>,
    roles: &Roles,
) -> Option<GridTable> {
    let mut columns: BTreeMap<(Skill, Side), Vec<&Block>> = BTreeMap::new();
    for (skill, table) in parts {
        for block in &table.blocks {
            columns.entry((*skill, block.side)).or_default().push(block);
        }
    }
    let headings = columns.keys().map(|(skill, side)| {
        let skill = match skill {
            Skill::Understanding => "NLU",
            Skill::Generation => "NLG",
        };
        let side = match side {
            Side::Source => "source",
            _ => "target",
        };
        format!("{skill} {side}")
    });
    let headings: Vec<String> = headings.collect();
    let row = |method: &String| {
        let cells = columns.values().map(|blocks| {
            let of_block = blocks.iter().map(|block| {
                let row = block.rows.iter().find(|row| row.method == *method)?;
                row.cells.last().cloned().flatten()
            });
            cells::mean(&of_block.collect::<Vec<_>>())
        });
        Row {
            method: method.clone(),
            cells: cells.collect(),
        }
    };
    let mut rows: Vec<Row> = roles.methods.iter().map(row).collect();
    rows.retain(|row| row.cells.iter().any(Option::is_some));
    if rows.is_empty() {
        return None;
    }
    cells::rank(&mut rows, Some(true));
    let names: Vec<String> = parts.iter().map(|(_, table)| table.title()).collect();
    Some(GridTable {
        benchmark: "Averages over test sets".to_owned(),
        measure: String::new(),
        signature: format!("mean of {}", names.join("; ")),
        model: model.clone(),
        higher_is_better: Some(true),
        columns: headings,
        average: None,
        blocks: vec![Block {
            title: "Average scores".to_owned(),
            side: Side::Both,
            rows,
        }],
    })
}

/// The gains of every method over `reference` in a table of averages (Table 12); `None` if the
/// reference has no scores.
pub fn gains(averages: &GridTable, reference: &str) -> Option<GridTable> {
    let block = averages.blocks.first()?;
    let base = block.rows.iter().find(|row| row.method == reference)?;
    let others = block.rows.iter().filter(|row| row.method != reference);
    let mut rows: Vec<Row> = others
        .map(|row| {
            let pairs = row.cells.iter().zip(&base.cells);
            let gain = pairs
                .map(|(cell, base)| Some(Cell::of(cell.as_ref()?.score - base.as_ref()?.score)));
            Row {
                method: row.method.clone(),
                cells: gain.collect(),
            }
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    cells::rank(&mut rows, Some(true));
    Some(GridTable {
        benchmark: format!("Gains over {reference}"),
        blocks: vec![Block {
            title: "Difference of the averages".to_owned(),
            side: Side::Both,
            rows,
        }],
        ..averages.clone()
    })
}
