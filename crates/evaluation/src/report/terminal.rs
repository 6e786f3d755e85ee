//! The scores as a table for the terminal.

use comfy_table::{
    Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};

use super::classification::{Board, boards, score};
use super::scores::{ScoreRow, Verdict};
use super::{Report, titles};
use crate::classification::ACCURACY;
use crate::task::SHARE;

/// The scores before and after, and a few lines on rows kept and time; at most `width` columns
/// wide, if given.
pub fn render(report: &Report, width: Option<u16>) -> String {
    let mut text = String::new();
    for board in report.classification.iter().flat_map(boards) {
        text.push_str(&format!(
            "{}, accuracy\n{}\n",
            board.title,
            accuracies(&board, width)
        ));
    }
    if report.before_and_after().next().is_some() {
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
    let trainings = report.trainings.iter();
    let trainings = trainings.map(|training| (training.title.as_str(), &training.course));
    let training = report.training.as_ref().map(|training| ("train", training));
    for (title, training) in training.into_iter().chain(trainings) {
        text.push_str(&format!(
            "{:<12} {} steps, {:.1} epochs, {} tokens at {} tokens/s\n",
            titles::words(title),
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

fn empty_table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// The accuracy of every system in every language.
fn accuracies(board: &Board<'_>, width: Option<u16>) -> String {
    let mut table = empty_table(width);
    let shown =
        |value: Option<f64>| value.map_or("–".to_owned(), |value| titles::score(value, SHARE));
    let systems = || board.systems.iter();
    let titles = systems().map(|system| right(system.title.clone()));
    let header = std::iter::once(Cell::new("")).chain(titles);
    table.set_header(header.chain([right("chance".to_owned())]));
    for set in &board.sets {
        let own = |name: &str| score(set, name, ACCURACY).map(|measured| measured.score);
        let scores = systems().map(|system| right(shown(own(&system.name))));
        let row = std::iter::once(Cell::new(&set.language.name)).chain(scores);
        table.add_row(row.chain([right(shown(Some(set.chance.majority)))]));
    }
    if board.transfer().len() > 1 {
        let name = match board.of_source {
            0 => "mean",
            _ => "mean of the others",
        };
        let means = systems().map(|system| right(shown(board.mean(&system.name, ACCURACY))));
        table.add_row(std::iter::once(Cell::new(name)).chain(means));
    }
    table.to_string()
}

fn scores(report: &Report, width: Option<u16>) -> String {
    let mut table = empty_table(width);
    table.set_header(["", "measure", "before", "after", "change", "p", ""]);
    let mut last = "";
    for row in report.before_and_after() {
        let title = if row.group == last { "" } else { &row.group };
        let value = |score: Option<f64>| match score {
            Some(score) => titles::score(score, &row.unit),
            None => "–".to_owned(),
        };
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
