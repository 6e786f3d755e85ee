//! Rows that two systems read differently.

use corpus::labelled::LabelledInput;
use maud::{Markup, html};

use crate::classification::{ChangedRow, Changes, Said, SetResult};
use crate::report::classification::Board;
use crate::report::titles;

pub fn render(boards: &[Board<'_>]) -> Markup {
    let sets = boards.iter().flat_map(|board| {
        let shown = board
            .sets
            .iter()
            .filter_map(move |set| Some((board, *set, set.changes.as_ref()?)));
        shown.filter(|(_, _, changes)| !changes.rows.is_empty())
    });
    html! {
        p.lead { "Evenly spaced rows of those that were read differently, not picked by hand." }
        @for (number, (board, set, changes)) in sets.enumerate() {
            details open[number == 0] { (of_set(board, set, changes)) }
        }
    }
}

fn of_set(board: &Board<'_>, set: &SetResult, changes: &Changes) -> Markup {
    let title = |name: &str| {
        let system = board.systems.iter().find(|system| system.name == name);
        system.map_or_else(|| name.to_owned(), |system| system.title.clone())
    };
    let main = board
        .main()
        .map_or(String::new(), |main| main.title.clone());
    let other = title(&changes.system);
    let tag = set.language.told.filter(|_| !set.language.is_proxy);
    let tag = tag.map(|language| language.iso639_1().unwrap_or(language.iso639_3()));
    html! {
        summary { (board.title) ", " (set.language.name) " "
            span.small {
                "only " (main) " right: " (titles::count(changes.gained)) ", only " (other) ": "
                (titles::count(changes.lost)) ", neither: " (titles::count(changes.other))
            }
        }
        @for row in &changes.rows { (row_of(row, &main, &other, tag)) }
    }
}

fn row_of(row: &ChangedRow, main: &str, other: &str, tag: Option<&str>) -> Markup {
    html! {
        article.sample {
            (input(&row.input, tag))
            div.columns {
                (said(main, &row.first, &row.gold))
                (said(other, &row.other, &row.gold))
                div { h4 { "Correct" } p.text { (row.gold) } }
            }
        }
    }
}

fn said(title: &str, said: &Said, gold: &str) -> Markup {
    let (class, word) = match said.label == gold {
        true => ("better", "right"),
        false => ("worse", "wrong"),
    };
    html! {
        div {
            h4 { (title) " " span class={ "change " (class) } { (word) } }
            p.text { (said.label) " "
                span.small { (format!("{:.0}\u{a0}%", 100.0 * said.probability)) } }
        }
    }
}

fn input(input: &LabelledInput, tag: Option<&str>) -> Markup {
    let text = |name: &str, text: &str| {
        html! { p.text lang=[tag] dir="auto" { @if !name.is_empty() { span.name { (name) } } (text) } }
    };
    match input {
        LabelledInput::Single { text: only } => text("", only),
        LabelledInput::Pair { first, second } => html! { (text("1", first)) (text("2", second)) },
        LabelledInput::Choices {
            passage,
            question,
            choices,
        } => html! {
            (text("passage", passage))
            (text("question", question))
            @for (number, choice) in choices.iter().enumerate() {
                (text(&(number + 1).to_string(), choice))
            }
        },
    }
}
