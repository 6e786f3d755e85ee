//! Accuracy by language: bars of every system, one language below the other, and their numbers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::classification::{ACCURACY, MACRO_F1, SetResult, SystemRecord};
use crate::report::classification::{Board, comparison, score};
use crate::report::scores::{LEVEL, Verdict};
use crate::report::titles;
use crate::results::MeasuredScore;
use crate::significance::Confidence;
use crate::task::SHARE;

/// Number of languages shown at once; the others unfold.
const SHOWN: usize = 20;
/// Height of a system's lane, and of the first one's, in pixels.
const LANE: f64 = 11.0;
const FIRST_LANE: f64 = 18.0;
/// Outlines of the marks at the end of the bars, centred at 0: shapes and not only colours tell
/// systems apart.
const MARKS: [&str; 6] = [
    "",
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5l5 9h-10z",
    "M0 -5.5l5 5.5l-5 5.5l-5 -5.5z",
    "M-1.5 -5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
];

pub fn render(boards: &[Board<'_>]) -> Markup {
    html! { @for board in boards { (board_of(board)) } }
}

fn board_of(board: &Board<'_>) -> Markup {
    let reference = board.reference();
    let (first, later) = board.sets.split_at(SHOWN.min(board.sets.len()));
    html! {
        h3 { (board.title) " " span.small { (rows(board)) } }
        (legend(board))
        @if let (Some(main), Some(reference)) = (board.main(), reference) {
            p.lead {
                "Lines are 95 % bootstrap intervals. The difference is " (main.title) " minus "
                (reference.title) "; it is significant if approximate randomisation over the same rows gives p < "
                (LEVEL) "."
            }
        }
        div.languages {
            @for set in first { (language(board, set)) }
            (axis())
        }
        @if !later.is_empty() {
            details { summary { (later.len()) " more languages" }
                div.languages { @for set in later { (language(board, set)) } (axis()) }
            }
        }
        details { summary { "Accuracy in numbers" } (table(board, ACCURACY)) }
        details { summary { "Macro-F1 in numbers" } (table(board, MACRO_F1)) }
    }
}

fn rows(board: &Board<'_>) -> String {
    let counts = || board.sets.iter().map(|set| set.rows);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let rows = match least == most {
        true => titles::count(most as u64),
        false => format!(
            "{} to {}",
            titles::count(least as u64),
            titles::count(most as u64)
        ),
    };
    let foreign: u64 = board
        .sets
        .iter()
        .flat_map(|set| set.set_aside.values())
        .sum();
    let mut aside = BTreeMap::new();
    for (reason, count) in board.sets.iter().flat_map(|set| &set.rejected) {
        *aside.entry(titles::words(reason)).or_insert(0) += count;
    }
    if foreign > 0 {
        aside.insert("label that the task lacks".to_owned(), foreign);
    }
    let aside = aside
        .iter()
        .map(|(reason, count)| format!("{} {reason}", titles::count(*count)));
    match aside.collect::<Vec<_>>().join(", ") {
        aside if aside.is_empty() => format!("{rows} rows per language"),
        aside => format!("{rows} rows per language; set aside: {aside}"),
    }
}

fn legend(board: &Board<'_>) -> Markup {
    html! {
        ul.systems {
            @for (number, system) in board.systems.iter().enumerate() {
                li {
                    svg class={ "swatch " (class(number)) } width="22" height="12" aria-hidden="true" {
                        rect x="0" y=(if number == 0 { 0 } else { 4 }) width="14" height=(if number == 0 { 12 } else { 4 }) {}
                        path transform="translate(14 6)" d=(mark(number)) {}
                    }
                    strong { (system.title) } " " span.small { (system.about) }
                }
            }
            li {
                svg.swatch width="22" height="16" aria-hidden="true" {
                    line.chance x1="11" x2="11" y1="-3" y2="15" {}
                }
                strong { "Chance" } " " span.small { "always the most frequent label of the test set" }
            }
        }
    }
}

fn class(number: usize) -> String {
    format!("s-{}", number % 6)
}

fn mark(number: usize) -> &'static str {
    MARKS[number % MARKS.len()]
}

/// One language: its name, the bars, and the score of the first system.
fn language(board: &Board<'_>, set: &SetResult) -> Markup {
    let height = FIRST_LANE + LANE * (board.systems.len().saturating_sub(1)) as f64 + 6.0;
    let main = board
        .main()
        .and_then(|main| score(set, &main.name, ACCURACY));
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    html! {
        div.language {
            div.name title=(set.language.code) {
                (set.language.name)
                @if let Some(told) = set.language.told.filter(|_| set.language.is_proxy) {
                    div.small { "as " (told.everyday_name()) }
                }
            }
            svg.bars width="100%" height=(height) role="img" aria-label=(described(board, set)) {
                @for tick in 0..=4 {
                    line.grid x1={ (25 * tick) "%" } x2={ (25 * tick) "%" } y1="0" y2=(height) {}
                }
                @for (number, system) in board.systems.iter().enumerate() {
                    @if let Some(measured) = score(set, &system.name, ACCURACY) {
                        (bar(number, system, measured))
                    }
                }
                line.chance x1=(percent(set.chance.majority)) x2=(percent(set.chance.majority)) y1="0" y2=(height) {
                    title { "chance: " (titles::score(set.chance.majority, SHARE)) }
                }
            }
            div.result {
                @if let Some(main) = main { strong { (titles::score(main.score, SHARE)) } }
                @if let Some(reference) = board.reference() { " " (difference(set, reference, ACCURACY)) }
            }
        }
    }
}

fn bar(number: usize, system: &SystemRecord, measured: &MeasuredScore) -> Markup {
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let (top, thick) = match number {
        0 => (3.0, 12.0),
        _ => (FIRST_LANE + LANE * (number - 1) as f64 + 3.5, 4.0),
    };
    let middle = top + thick / 2.0;
    let interval = &measured.confidence;
    html! {
        g class=(class(number)) {
            title { (system.title) ": " (interval_of(measured)) }
            rect x="0" y=(top) width=(percent(measured.score)) height=(thick) {}
            line.interval x1=(percent(interval.low)) x2=(percent(interval.high)) y1=(middle) y2=(middle) {}
            svg.mark x=(percent(measured.score)) y=(middle) overflow="visible" { path d=(mark(number)) {} }
        }
    }
}

/// `61.2 %, 95 %: 58.9 % to 63.4 %`.
fn interval_of(measured: &MeasuredScore) -> String {
    let share = |value| titles::score(value, SHARE);
    let interval = &measured.confidence;
    format!(
        "{}, 95 %: {} to {}",
        share(measured.score),
        share(interval.low),
        share(interval.high)
    )
}

/// All numbers of a language in words.
fn described(board: &Board<'_>, set: &SetResult) -> String {
    let systems = board.systems.iter().filter_map(|system| {
        let measured = score(set, &system.name, ACCURACY)?;
        Some(format!(
            "{} {}",
            system.title,
            titles::score(measured.score, SHARE)
        ))
    });
    let chance = format!("chance {}", titles::score(set.chance.majority, SHARE));
    let all: Vec<String> = systems.chain([chance]).collect();
    format!("{}: {}", set.language.name, all.join(", "))
}

/// The scale below the bars.
fn axis() -> Markup {
    html! {
        div.language.axis aria-hidden="true" {
            div.name {}
            svg.bars width="100%" height="16" {
                @for tick in 0..=4 {
                    @let anchor = match tick { 0 => "start", 4 => "end", _ => "middle" };
                    text.between[tick % 2 == 1] x={ (25 * tick) "%" } y="12" text-anchor=(anchor) { (25 * tick) @if tick == 4 { " %" } }
                }
            }
            div.result {}
        }
    }
}

/// The first system minus `system`, with its verdict.
fn difference(set: &SetResult, system: &SystemRecord, measure: &str) -> Markup {
    let Some(compared) = comparison(set, &system.name, measure) else {
        return html! {};
    };
    let (class, word) = match Verdict::of(&compared.test, Some(true)) {
        Verdict::Better => ("better", "▲ better"),
        Verdict::Worse => ("worse", "▼ worse"),
        Verdict::Changed | Verdict::NoDifference => ("neutral", "not significant"),
    };
    html! {
        span class={ "change " (class) } title={ "p " (titles::p_value(compared.test.p_value)) } {
            (titles::difference(compared.test.difference, SHARE)) " " span.word { (word) }
        }
    }
}

fn table(board: &Board<'_>, measure: &str) -> Markup {
    html! {
        p.small {
            "In brackets the 95 % interval; below, the first system minus this one. The mean's intervals "
            "are over rows, and rows with the same id in several languages are drawn together."
        }
        div.scroll { table.numbers {
            thead { tr {
                th { "Language" } th.num { "Rows" }
                @for system in &board.systems { th.num { (system.title) } }
                th.num { "Chance" }
            } }
            tbody {
                @for set in &board.sets { (numbers(board, set, measure)) }
                @if board.transfer().len() > 1 {
                    tr.mean {
                        th scope="row" { "Mean" @if board.of_source > 0 { " of the other languages" } }
                        td {}
                        @for system in &board.systems { td.num { (mean(board, system, measure)) } }
                        td {}
                    }
                }
            }
        } }
    }
}

/// The mean over the other languages, and the first system's minus it.
fn mean(board: &Board<'_>, system: &SystemRecord, measure: &str) -> Markup {
    let Some(score) = board.mean(&system.name, measure) else {
        return html! { "–" };
    };
    html! {
        (points(score))
        @if let Some(mean) = board.language_mean(&system.name, measure) {
            " " (bracketed(&mean.confidence))
            @if let Some(lead) = mean.lead {
                @let class = match lead.is_significant() {
                    true if lead.difference > 0.0 => "better",
                    true => "worse",
                    false => "neutral",
                };
                div { span class={ "change " (class) } {
                    (titles::difference(lead.difference, SHARE)) " "
                    span.small { "[" (titles::difference_interval(&lead.confidence)) "]" }
                } }
            }
        }
    }
}

fn points(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

fn bracketed(interval: &Confidence) -> Markup {
    html! { span.small { "[" (points(interval.low)) "–" (points(interval.high)) "]" } }
}

fn numbers(board: &Board<'_>, set: &SetResult, measure: &str) -> Markup {
    let chance = match measure {
        ACCURACY => set.chance.majority,
        _ => set.chance.majority_f1,
    };
    html! {
        tr {
            th scope="row" { (set.language.name) " " span.small { (set.language.code) } }
            td.num { (titles::count(set.rows as u64)) }
            @for system in &board.systems {
                td.num {
                    @if let Some(measured) = score(set, &system.name, measure) {
                        (points(measured.score)) " " (bracketed(&measured.confidence))
                        div { (difference(set, system, measure)) }
                    } @else { "–" }
                }
            }
            td.num { (points(chance)) }
        }
    }
}
