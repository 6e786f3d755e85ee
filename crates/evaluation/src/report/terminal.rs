//! The scores as a table for the terminal.

use comfy_table::{
    Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};

use super::scores::{ScoreRow, Verdict};
use super::{Report, titles};

/// The scores before and after, and a few lines on rows kept and time; at most `width` columns
/// wide, if given.
pub fn render(report: &Report, width: Option<u16>) -> String {
    let mut text = String::new();
    if !report.scores.is_empty() {
        text.push_str(&scores(report, width));
        text.push('\n');
    }
    for stage in &report.funnel {
        let reasons: Vec<String> = stage
            .reasons
            .iter()
            .take(3)
            .map(|reason| {
                format!(
                    "{} {}",
                    titles::count(reason.count),
                    titles::words(&reason.reason)
                )
            })
            .collect();
        let rejected = if reasons.is_empty() {
            String::new()
        } else {
            format!("; rejected: {}", reasons.join(", "))
        };
        text.push_str(&format!(
            "{:<12} {} rows in, {} out, {} dropped{rejected}\n",
            titles::words(&stage.stage),
            titles::count(stage.rows),
            titles::count(stage.outputs),
            titles::count(stage.dropped),
        ));
    }
    if let Some(training) = &report.training {
        text.push_str(&format!(
            "{:<12} {} steps, {:.1} epochs, {} tokens at {} tokens/s\n",
            "train",
            titles::count(training.steps),
            training.epochs,
            titles::count(training.tokens),
            titles::rate(training.tokens_per_second),
        ));
    }
    text
}

/// Lines above and below the header and at the end, none between rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none())
    .bottom_border(LineStyle::none().fill('─').junction('─'));

fn scores(report: &Report, width: Option<u16>) -> String {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["", "measure", "before", "after", "change", "p", ""]);
    let mut last = "";
    for row in report.scores.iter().filter(|row| !row.is_nothing()) {
        let title = if row.group == last { "" } else { &row.group };
        let value = |score: Option<f64>| match score {
            Some(score) => titles::score(score, &row.unit),
            None => "–".to_owned(),
        };
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(title),
            Cell::new(&row.title),
            right(value(row.before)),
            right(value(row.after)),
            right(
                row.difference()
                    .map_or(String::new(), |d| titles::difference(d, &row.unit)),
            ),
            right(row.p_value.map_or(String::new(), titles::p_value)),
            Cell::new(mark(row)),
        ]);
        last = &row.group;
    }
    table.to_string()
}

fn mark(row: &ScoreRow) -> &'static str {
    match row.verdict {
        Some(Verdict::Better) => "better",
        Some(Verdict::Worse) => "worse",
        Some(Verdict::Changed) => "changed",
        Some(Verdict::NoDifference) => "=",
        None => "",
    }
}
