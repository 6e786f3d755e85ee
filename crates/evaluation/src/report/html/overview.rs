//! Title, headline scores, and details of the run.

use maud::{Markup, html};

use crate::classification::ACCURACY;
use crate::report::classification::{Board, score};
use crate::report::scores::{ScoreRow, Verdict};
use crate::report::{Report, titles};
use crate::task::SHARE;

/// `SmolLM2-135M-Instruct learns Portuguese`.
pub fn title(report: &Report) -> String {
    if let Some(results) = &report.classification {
        return results.title.clone();
    }
    let model = report.model.as_deref().map_or("A language model", short);
    let languages: Vec<&str> = report
        .targets
        .iter()
        .map(|language| language.everyday_name())
        .collect();
    match languages.as_slice() {
        [] => model.to_owned(),
        [one] => format!("{model} learns {one}"),
        [first @ .., last] => format!("{model} learns {} and {last}", first.join(", ")),
    }
}

/// The last part of a path, without `.gguf`.
fn short(model: &str) -> &str {
    let name = model
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(model);
    name.strip_suffix(".gguf").unwrap_or(name)
}

pub fn header(report: &Report, title: &str, boards: &[Board<'_>]) -> Markup {
    let changed = |board: &Board<'_>| board.sets.iter().any(|set| set.changes.is_some());
    let trained = report.training.is_some() || !report.trainings.is_empty();
    let present = [
        ("verdict", "Verdict", report.verdict.is_some()),
        ("accuracy", "Accuracy", !boards.is_empty()),
        ("confusion", "Confusion", !boards.is_empty()),
        ("changes", "Read differently", boards.iter().any(changed)),
        (
            "scores",
            "Scores",
            report.before_and_after().next().is_some(),
        ),
        ("answers", "Answers", !report.answers.is_empty()),
        ("samples", "Side by side", !report.samples.is_empty()),
        ("training", "Training", trained),
        ("funnel", "Kept and rejected", !report.funnel.is_empty()),
        ("now", "What now", report.verdict.is_some()),
        ("run", "The run", true),
    ];
    html! {
        header {
            p.run { "xldistill run " strong { (report.name) } }
            h1 { (title) }
            p.facts {
                @if let Some(source) = report.source {
                    span { @if boards.is_empty() { "taught from " } @else { "trained on " } (source.everyday_name()) }
                }
                @if report.finished_at > 0 { span { "finished " (titles::moment(report.finished_at)) } }
                @if report.seconds() > 0.0 { span { (titles::duration(report.seconds())) " of work" } }
            }
            nav { @for (id, name, _) in present.iter().filter(|(_, _, there)| *there) {
                a href={ "#" (id) } { (name) }
            } }
        }
    }
}

/// The headline scores.
pub fn tiles(report: &Report, boards: &[Board<'_>]) -> Markup {
    let languages = report.targets.iter().take(2).copied();
    let tiles: Vec<(&String, &ScoreRow)> = languages
        .chain(report.source)
        .flat_map(|language| {
            report
                .scores
                .iter()
                .filter(move |row| row.language == language.code())
        })
        .filter_map(|row| Some((row.headline.as_ref()?, row)))
        .collect();
    html! {
        @if !tiles.is_empty() || !boards.is_empty() {
            div.tiles {
                @for board in boards { (board_tiles(board)) }
                @for (label, row) in tiles { (tile(label, row)) }
            }
        }
    }
}

/// The accuracy on a test set in the language of training, and its mean over the others.
fn board_tiles(board: &Board<'_>) -> Markup {
    let Some(main) = board.main() else {
        return html! {};
    };
    let of_set = |set, system: &str| Some(score(set, system, ACCURACY)?.score);
    let source = board.sets.first().filter(|_| board.of_source > 0);
    let others = board.transfer().len();
    let named = match board.transfer() {
        [only] => format!("{} accuracy in {}", board.title, only.language.name),
        _ if board.of_source > 0 => {
            format!("{} accuracy, mean of {others} other languages", board.title)
        }
        _ => format!("{} accuracy, mean of {others} languages", board.title),
    };
    let tiles = [
        (others > 0).then(|| {
            let other = board
                .reference()
                .and_then(|other| board.mean(&other.name, ACCURACY));
            let lead = board.reference().and_then(|other| {
                let mean = board.language_mean(&other.name, ACCURACY)?;
                Some(titles::difference_interval(&mean.lead?.confidence))
            });
            (named, board.mean(&main.name, ACCURACY), other, lead)
        }),
        source.map(|set| {
            let label = format!("{} accuracy in {}", board.title, set.language.name);
            let other = board.reference().and_then(|other| of_set(set, &other.name));
            (label, of_set(set, &main.name), other, None)
        }),
    ];
    let shown =
        |value: Option<f64>| value.map_or("–".to_owned(), |value| titles::score(value, SHARE));
    html! {
        @for (label, own, other, interval) in tiles.into_iter().flatten() {
            div.tile {
                p.label { (label) }
                p.value { (shown(own)) }
                @if let (Some(own), Some(other), Some(reference)) = (own, other, board.reference()) {
                    p.was { (reference.title) " " (shown(Some(other))) }
                    p {
                        span.change.neutral { (titles::difference(own - other, SHARE)) }
                        @if let Some(interval) = interval { " " span.small { "(95 %: " (interval) ")" } }
                    }
                }
            }
        }
    }
}

fn tile(label: &str, row: &ScoreRow) -> Markup {
    let shown = row.after.or(row.before);
    html! {
        div.tile {
            p.label { (label) }
            p.value { (shown.map_or("–".to_owned(), |value| titles::score(value, &row.unit))) }
            @if let (Some(before), Some(_)) = (row.before, row.after) {
                p.was { "was " (titles::score(before, &row.unit)) }
                p { (change(row)) }
            }
        }
    }
}

/// The change of a score, with the colour and word of its verdict.
pub fn change(row: &ScoreRow) -> Markup {
    let Some(difference) = row.difference() else {
        return html! {};
    };
    let text = match row.relative() {
        Some(relative) => titles::relative(relative),
        None => titles::difference(difference, &row.unit),
    };
    let (class, word) = match row.verdict {
        Some(Verdict::Better) => ("better", "▲ better"),
        Some(Verdict::Worse) => ("worse", "▼ worse"),
        Some(Verdict::Changed) => ("neutral", "changed"),
        Some(Verdict::NoDifference) => ("neutral", "not significant"),
        None => ("neutral", "not compared"),
    };
    html! { span class={ "change " (class) } { (text) " " span.word { (word) } } }
}

/// Time, models, config.
pub fn run(report: &Report) -> Markup {
    html! {
        @if !report.timing.is_empty() { h3 { "Cost" } (cost(report)) (timing(report)) }
        @if !report.models.is_empty() { h3 { "Models and their licences" } (models(report)) }
        @if let Some(config) = &report.config {
            details.config {
                summary { "Configuration, as resolved" }
                pre { code { (config) } }
            }
        }
    }
}

/// Time, memory and machine in a line.
fn cost(report: &Report) -> Markup {
    html! {
        p.facts {
            span { strong { (titles::duration(report.seconds())) } " of work" }
            @if let Some(cost) = &report.cost {
                span { strong { (titles::bytes(cost.peak_memory)) } " of memory at the peak" }
                span { "on " strong { (cost.machine) } }
            }
        }
    }
}

fn timing(report: &Report) -> Markup {
    let longest = report
        .timing
        .iter()
        .map(|part| part.seconds)
        .fold(1e-9, f64::max);
    html! {
        div.scroll { table.timing {
            thead { tr { th { "Part" } th.num { "Work" } th.num { "Time" } th.bar { } th.num { "Speed" } } }
            tbody { @for part in &report.timing {
                tr {
                    th scope="row" { (titles::words(&part.part)) }
                    td.num { (titles::count(part.amount as u64)) " " (part.unit) }
                    td.num { (titles::duration(part.seconds)) }
                    td.bar { div.meter { span style={ "width:" (format!("{:.1}", 100.0 * part.seconds / longest)) "%" } {} } }
                    td.num { @if part.seconds > 0.0 { (titles::rate(part.amount / part.seconds)) " " (part.unit) "/s" } }
                }
            } }
        } }
    }
}

fn models(report: &Report) -> Markup {
    html! {
        div.scroll { table.models {
            thead { tr { th { "Engine" } th { "Model" } th { "Licence" } th { "Used by" } th { "Revision" } } }
            tbody { @for model in &report.models {
                @let identity = &model.identity;
                tr {
                    th scope="row" { (identity.engine) }
                    td { (identity.model)
                        @if !identity.parameters.is_empty() { div.small { (identity.parameters) } } }
                    td { @match &identity.licence {
                        Some(licence) => (licence),
                        None => span.unknown { "not stated" },
                    } }
                    td { (model.used_by.iter().map(|part| titles::words(part)).collect::<Vec<_>>().join(", ")) }
                    td { code title=(identity.revision) { (identity.revision.chars().take(12).collect::<String>()) } }
                }
            } }
        } }
    }
}
