//! Tables of a grid in LaTeX, with booktabs.

use super::{Cell, GridTable, LEGEND};

/// All tables, each a floating `table`. The best score of a column is bold, the second best
/// underlined. Needs the package `booktabs`.
pub fn render(tables: &[GridTable]) -> String {
    let mut text = String::from("% \\usepackage{booktabs}\n");
    for table in tables {
        let headings = table.headings();
        let (alignment, width) = ("r".repeat(headings.len()), headings.len() + 1);
        let names: Vec<String> = headings.iter().map(|name| escape(name)).collect();
        text.push_str(&format!(
            "\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{l{alignment}}}\n\\toprule\n & {} \\\\\n",
            names.join(" & ")
        ));
        for block in &table.blocks {
            text.push_str(&format!(
                "\\midrule\n\\multicolumn{{{width}}}{{c}}{{{}}} \\\\\n\\midrule\n",
                escape(&block.title)
            ));
            for row in &block.rows {
                let cells = row
                    .cells
                    .iter()
                    .map(|cell| cell.as_ref().map_or("--".into(), cell_text));
                let cells: Vec<String> = cells.collect();
                text.push_str(&format!(
                    "{} & {} \\\\\n",
                    escape(&row.method),
                    cells.join(" & ")
                ));
            }
        }
        let caption = format!("{}. {LEGEND}", table.title());
        text.push_str(&format!(
            "\\bottomrule\n\\end{{tabular}}\n\\caption{{{}}}\n\\end{{table}}\n\n",
            escape(&caption)
        ));
    }
    text
}

fn cell_text(cell: &Cell) -> String {
    let score = escape(&cell.text());
    match cell.rank {
        Some(1) => format!("\\textbf{{{score}}}"),
        Some(2) => format!("\\underline{{{score}}}"),
        _ => score,
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '±' => escaped.push_str("$\\pm$"),
            '†' => escaped.push_str("$\\dagger$"),
            '<' => escaped.push_str("$<$"),
            '−' => escaped.push('-'),
            other => escaped.push(other),
        }
    }
    escaped
}
