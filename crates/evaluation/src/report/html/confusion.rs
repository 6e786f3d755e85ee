//! Confusion by language: how often each label was given to rows of each label.

use maud::{Markup, html};

use crate::classification::SetResult;
use crate::report::classification::Board;
use crate::report::titles;

/// Number of languages shown at once; the others unfold.
const SHOWN: usize = 12;

pub fn render(boards: &[Board<'_>]) -> Markup {
    html! {
        @if let Some(main) = boards.first().and_then(Board::main) {
            p.lead { "Rows by correct label (down) and the label that " (main.title)
                " gave (across), with the share of the correct label's rows." }
        }
        @for board in boards {
            @let (first, later) = board.sets.split_at(SHOWN.min(board.sets.len()));
            h3 { (board.title) }
            (tables(board, first))
            @if !later.is_empty() {
                details { summary { (later.len()) " more languages" } (tables(board, later)) }
            }
        }
    }
}

fn tables(board: &Board<'_>, sets: &[&SetResult]) -> Markup {
    let main = board.main().map_or("", |main| &main.name);
    html! {
        div.confusions {
            @for set in sets {
                @if let Some(scores) = set.systems.get(main) { (table(set, &scores.confusion)) }
            }
        }
    }
}

fn table(set: &SetResult, counts: &[Vec<u64>]) -> Markup {
    let share = |row: &[u64], count: u64| count as f64 / row.iter().sum::<u64>().max(1) as f64;
    html! {
        table.confusion {
            caption { (set.language.name) }
            thead { tr { th { span.small { "correct ↓ said →" } } @for label in &set.labels { th.num { (label) } } } }
            tbody { @for (correct, row) in counts.iter().enumerate() {
                tr {
                    th scope="row" { (set.labels.get(correct).map_or("", String::as_str)) }
                    @for (said, &count) in row.iter().enumerate() {
                        td.num.right[said == correct] style={ "--share:" (format!("{:.0}", 100.0 * share(row, count))) "%" } {
                            (titles::count(count)) " "
                            span.small { (format!("{:.0}\u{a0}%", 100.0 * share(row, count))) }
                        }
                    }
                }
            } }
        }
    }
}
