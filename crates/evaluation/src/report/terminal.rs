//! The report for the terminal: scores, rows kept, training, and the verdict last, where the eye is.

use super::classification::{Board, boards, score};
use super::scores::{ScoreRow, Verdict};
use super::text_table::{TextTable, broken};
use super::{Report, RunVerdict, titles};
use crate::classification::{ACCURACY, Lead};
use crate::task::SHARE;

/// Columns of the output if the terminal's are not known.
const WIDTH: usize = 120;
/// Columns that prose fills at most.
const PROSE: usize = 100;

/// The scores, a few lines on rows kept and training, and the verdict, `width` columns wide (120 if
/// not given).
pub fn render(report: &Report, width: Option<u16>) -> String {
    let width = width.map_or(WIDTH, usize::from);
    let mut text = String::new();
    for board in report.classification.iter().flat_map(boards) {
        text += &format!("{}, accuracy\n{}", board.title, accuracies(&board, width));
    }
    if report.before_and_after().next().is_some() {
        text += &scores(report, width);
    }
    for stage in &report.funnel {
        let mut line = format!(
            "{} rows in, {} out, {} dropped",
            titles::count(stage.rows),
            titles::count(stage.outputs),
            titles::count(stage.dropped),
        );
        let reasons: Vec<String> = (stage.reasons.iter().take(3))
            .map(|reason| {
                let count = titles::count(reason.count);
                format!("{count} {}", titles::words(&reason.reason))
            })
            .collect();
        if !reasons.is_empty() {
            line += &format!("; rejected: {}", reasons.join(", "));
        }
        text += &labelled(&titles::words(&stage.stage), &line, width);
    }
    let trainings = report.trainings.iter();
    let trainings = trainings.map(|training| (training.title.as_str(), &training.course));
    let training = report.training.as_ref().map(|training| ("train", training));
    for (title, training) in training.into_iter().chain(trainings) {
        let line = format!(
            "{} steps, {:.1} epochs, {} tokens in {}",
            titles::count(training.steps),
            training.epochs,
            titles::count(training.tokens),
            titles::duration(training.timing(title).seconds),
        );
        text += &labelled(&titles::words(title), &line, width);
    }
    if let Some(verdict) = &report.verdict {
        text += &conclusion(verdict, width);
    }
    text
}

/// The verdict: a sentence, then a line for each finding and each advice.
fn conclusion(verdict: &RunVerdict, width: usize) -> String {
    let width = width.min(PROSE);
    let summary = format!("{}. {}", verdict.outcome.words(), verdict.summary);
    let mut text = format!("\n{}\n", broken(&summary, width).join("\n"));
    let better = verdict
        .better
        .iter()
        .map(|finding| ("better", &finding.text));
    let worse = verdict.worse.iter().map(|finding| ("worse", &finding.text));
    let advice = verdict.advice.iter().map(|line| ("what to do", line));
    let mut last = "";
    for (label, line) in worse.chain(better).chain(advice) {
        text += &labelled(if label == last { "" } else { label }, line, width);
        last = label;
    }
    text
}

/// `text` beside its label, broken between words.
fn labelled(label: &str, text: &str, width: usize) -> String {
    const INDENT: usize = 13;
    let lines = broken(text, width.saturating_sub(INDENT).max(20));
    let lines = lines.iter().enumerate().map(|(number, line)| match number {
        // A label that is longer than its column gets a line of its own.
        0 if label.chars().count() < INDENT => format!("{label:<INDENT$}{line}\n"),
        0 => format!("{label}\n{:<INDENT$}{line}\n", ""),
        _ => format!("{:<INDENT$}{line}\n", ""),
    });
    lines.collect()
}

/// The accuracy of every system in every language.
fn accuracies(board: &Board<'_>, width: usize) -> String {
    let shown =
        |value: Option<f64>| value.map_or("–".to_owned(), |value| titles::score(value, SHARE));
    let systems = || board.systems.iter();
    let names = systems().map(|system| system.title.clone());
    let header = std::iter::once(String::new()).chain(names);
    let mut table = TextTable::new(header.chain(["chance".to_owned()]), &[]);
    for set in &board.sets {
        let own = |name: &str| score(set, name, ACCURACY).map(|measured| measured.score);
        let scores = systems().map(|system| shown(own(&system.name)));
        let row = std::iter::once(set.language.name.clone()).chain(scores);
        table.row(row.chain([shown(Some(set.chance.majority))]));
    }
    if board.transfer().len() > 1 {
        let name = match board.of_source {
            0 => "mean",
            _ => "mean of the others",
        };
        let means = systems().map(|system| shown(board.mean(&system.name, ACCURACY)));
        table.row(std::iter::once(name.to_owned()).chain(means));
        let found: Vec<_> = systems()
            .map(|system| board.language_mean(&system.name, ACCURACY))
            .collect();
        if found.iter().any(Option::is_some) {
            let intervals = found.iter().map(|mean| {
                mean.map_or("–".to_owned(), |mean| titles::interval(&mean.confidence))
            });
            table.row(std::iter::once("  95 % interval".to_owned()).chain(intervals));
        }
        let leads = || found.iter().map(|mean| mean.and_then(|mean| mean.lead));
        if let Some(main) = board.main().filter(|_| leads().any(|lead| lead.is_some())) {
            let row = |title: String, shown: fn(&Lead) -> String| {
                let cells = leads().map(|lead| lead.as_ref().map_or(String::new(), shown));
                std::iter::once(title).chain(cells).collect::<Vec<_>>()
            };
            let title = format!("{} minus it", main.title);
            table.row(row(title, |lead| {
                titles::difference(lead.difference, SHARE)
            }));
            table.row(row("  95 % interval".to_owned(), |lead| {
                titles::difference_interval(&lead.confidence)
            }));
        }
    }
    table.render(width)
}

fn scores(report: &Report, width: usize) -> String {
    let header = ["", "before", "after", "change", "p", ""].map(str::to_owned);
    let mut table = TextTable::new(header, &[4, 3]);
    let mut last = "";
    for row in report.before_and_after() {
        if row.group != last {
            table.heading(&row.group);
        }
        let value = |score: Option<f64>| match score {
            Some(score) => titles::score(score, &row.unit),
            None => "–".to_owned(),
        };
        let difference = row.difference();
        table.row([
            format!("  {}", row.titled()),
            value(row.before),
            value(row.after),
            difference.map_or(String::new(), |d| titles::difference(d, &row.unit)),
            row.p_value.map_or(String::new(), titles::p_value),
            mark(row).to_owned(),
        ]);
        last = &row.group;
    }
    table.render(width)
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
