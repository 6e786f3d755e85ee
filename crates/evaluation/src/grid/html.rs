//! Tables of a grid as a page, with intervals.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Cell, GridTable, LEGEND};

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}\
    table{border-collapse:collapse;margin:1em 0}th,td{padding:.2em .7em;text-align:right}\
    th:first-child,td:first-child{text-align:left}thead,tfoot{border-top:2px solid;border-bottom:2px solid}\
    .block td{text-align:center;font-style:italic;border-top:1px solid #999}small{color:color-mix(in srgb,currentColor 70%,transparent);\
    display:block}.wide{overflow-x:auto}\
    @media print{.wide{overflow:visible}tr{break-inside:avoid}h2{break-after:avoid}}";

/// All tables. The best score of a column is bold, the second best underlined.
pub fn render(title: &str, tables: &[GridTable]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p {
                    b { "Best" } " and " u { "second best" }
                    " of the column; in small print, 95 % bootstrap intervals. " (LEGEND)
                }
                @for table in tables { (one(table)) }
            }
        }
    };
    page.into_string()
}

fn one(table: &GridTable) -> Markup {
    let headings = table.headings();
    html! {
        h2 { (table.title()) }
        div.wide { table title=(table.signature) {
            thead { tr { th {} @for heading in &headings { th { (heading) } } } }
            tbody {
                @for block in &table.blocks {
                    tr.block { td colspan=(headings.len() + 1) { (block.title) } }
                    @for row in &block.rows {
                        tr {
                            td { (row.method) }
                            @for cell in &row.cells {
                                td { @match cell { Some(cell) => (cell_text(cell)), None => "–" } }
                            }
                        }
                    }
                }
            }
        } }
    }
}

fn cell_text(cell: &Cell) -> Markup {
    let score = cell.text();
    html! {
        @match cell.rank {
            Some(1) => b { (score) },
            Some(2) => u { (score) },
            _ => (score),
        }
        @if let Some(interval) = &cell.confidence {
            small { (format!("{:.2} to {:.2}", interval.low, interval.high)) }
        }
    }
}
