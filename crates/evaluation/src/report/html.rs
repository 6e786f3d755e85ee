//! The report as a page without network access or scripts, readable in light and dark mode, on
//! paper and on a phone. `maud` escapes all text from outside.

mod accuracy;
mod answers;
mod changes;
mod chart;
mod confusion;
mod funnel;
mod overview;
mod scores;
mod training;

use maud::{DOCTYPE, Markup, html};

use super::classification::{Board, boards};
use super::{Report, titles};

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = overview::title(report);
    let boards = report.classification.as_ref().map_or_else(Vec::new, boards);
    let changes = |board: &Board<'_>| board.sets.iter().any(|set| set.changes.is_some());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "xldistill " (report.version) };
                title { (title) " · xldistill" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                (overview::header(report, &title, &boards))
                main {
                    (overview::tiles(report, &boards))
                    @if !boards.is_empty() {
                        (section("accuracy", "Accuracy by language", accuracy::render(&boards)))
                        (section("confusion", "Confusion by language", confusion::render(&boards)))
                    }
                    @if boards.iter().any(changes) {
                        (section("changes", "Read differently", changes::render(&boards)))
                    }
                    @if report.before_and_after().next().is_some() {
                        (section("scores", "Scores before and after", scores::render(report)))
                    }
                    @if !report.answers.is_empty() {
                        (section("answers", "Verdicts on the answers", answers::verdicts(report)))
                    }
                    @if !report.samples.is_empty() {
                        (section("samples", "Answers side by side", answers::side_by_side(report)))
                    }
                    @if report.training.is_some() || !report.trainings.is_empty() {
                        (section("training", "Training", training::render_all(report)))
                    }
                    @if !report.funnel.is_empty() {
                        (section("funnel", "Rows kept and rejected", funnel::render(report)))
                    }
                    (section("run", "The run", overview::run(report)))
                }
                footer {
                    "Made by xldistill " (report.version)
                    @if report.finished_at > 0 { " from a run finished " (titles::moment(report.finished_at)) }
                    ". The numbers of this page are in " code { "report.json" } "."
                }
            }
        }
    }
    .into_string()
}

fn section(id: &str, title: &str, content: Markup) -> Markup {
    html! {
        section id=(id) {
            h2 { (title) }
            (content)
        }
    }
}
