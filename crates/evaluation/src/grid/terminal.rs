//! Tables of a grid as plain text.

use super::{Cell, GridTable, LEGEND};

/// All tables. The best score of a column is followed by ¹, the second best by ².
pub fn render(tables: &[GridTable]) -> String {
    let mut text = String::new();
    for table in tables {
        text.push_str(&one(table));
        text.push('\n');
    }
    text.push_str(&format!("¹ best, ² second best of the column. {LEGEND}\n"));
    text
}

fn one(table: &GridTable) -> String {
    let headings = table.headings();
    let mut lines: Vec<Vec<String>> = vec![
        std::iter::once(String::new())
            .chain(headings.iter().map(|heading| (*heading).to_owned()))
            .collect(),
    ];
    for block in &table.blocks {
        lines.push(vec![block.title.clone()]);
        for row in &block.rows {
            let cells = row
                .cells
                .iter()
                .map(|cell| cell.as_ref().map_or("–".to_owned(), text));
            lines.push(
                std::iter::once(format!("  {}", row.method))
                    .chain(cells)
                    .collect(),
            );
        }
    }
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| line.len() > 1 || column == 0);
        let cells = cells.filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..=headings.len()).map(width).collect();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * headings.len());
    let mut text = format!("{}\n{rule}\n", table.title());
    for (at, line) in lines.iter().enumerate() {
        let mut padded = format!("{:<width$}", line[0], width = widths[0]);
        for (cell, width) in line[1..].iter().zip(&widths[1..]) {
            padded.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(padded.trim_end());
        text.push('\n');
        if at == 0 {
            text.push_str(&format!("{rule}\n"));
        }
    }
    text.push_str(&format!("{rule}\n"));
    text
}

fn text(cell: &Cell) -> String {
    let rank = match cell.rank {
        Some(1) => "¹",
        Some(2) => "²",
        _ => " ",
    };
    format!("{}{rank}", cell.text())
}
