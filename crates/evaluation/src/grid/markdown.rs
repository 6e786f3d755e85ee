//! Tables of a grid in Markdown, with intervals.

use super::{Cell, GridTable, LEGEND};

/// All tables. The best score of a column is bold, the second best underlined.
pub fn render(tables: &[GridTable]) -> String {
    let mut text = String::new();
    for table in tables {
        let headings = table.headings();
        text.push_str(&format!("## {}\n\n", escape(&table.title())));
        text.push_str(&format!("| | {} |\n", headings.join(" | ")));
        text.push_str(&format!("|---|{}\n", "---:|".repeat(headings.len())));
        for block in &table.blocks {
            let empty = " |".repeat(headings.len());
            text.push_str(&format!("| *{}* |{empty}\n", escape(&block.title)));
            for row in &block.rows {
                let cells = row
                    .cells
                    .iter()
                    .map(|cell| cell.as_ref().map_or("–".into(), cell_text));
                let cells: Vec<String> = cells.collect();
                text.push_str(&format!(
                    "| {} | {} |\n",
                    escape(&row.method),
                    cells.join(" | ")
                ));
            }
        }
        text.push_str(&format!(
            "\n`{}`\n\n",
            table.signature.replace('|', "\u{2223}")
        ));
    }
    text.push_str(&format!(
        "**Best** and <u>second best</u> of the column; in brackets, 95 % bootstrap intervals. {}\n",
        LEGEND.replace('*', "\\*")
    ));
    text
}

fn cell_text(cell: &Cell) -> String {
    let score = cell.text().replace('*', "\\*");
    let mut text = match cell.rank {
        Some(1) => format!("**{score}**"),
        Some(2) => format!("<u>{score}</u>"),
        _ => score,
    };
    if let Some(interval) = &cell.confidence {
        text.push_str(&format!(" [{:.2}, {:.2}]", interval.low, interval.high));
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}
