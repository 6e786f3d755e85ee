//! Rows kept and rejected by each stage, with examples.

use corpus::record::Subset;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::subsets::explained;
use crate::report::funnel::Reason;
use crate::report::{FunnelStage, Report, titles};
use crate::task::SHARE;

pub fn render(report: &Report) -> Markup {
    let text_stages = report
        .funnel
        .iter()
        .filter(|stage| subsets(stage).is_none());
    let widest = text_stages
        .map(|stage| stage.outputs + stage.dropped)
        .max()
        .unwrap_or(1)
        .max(1);
    html! {
        p.legend {
            span.key.f-whole { "kept" }
            span.key.f-reduced { "kept without the rejected texts" }
            span.key.f-dropped { "rejected" }
        }
        div.funnel { @for stage in &report.funnel { (stage_row(stage, widest)) } }
    }
}

fn stage_row(stage: &FunnelStage, widest: u64) -> Markup {
    let whole = stage.outputs.saturating_sub(stage.reduced);
    let width = |rows: u64| format!("width:{:.2}%", 100.0 * rows as f64 / widest as f64);
    let parts = [
        ("f-whole", whole, "kept"),
        (
            "f-reduced",
            stage.reduced.min(stage.outputs),
            "kept without the rejected texts",
        ),
        ("f-dropped", stage.dropped, "rejected"),
    ];
    let details = facts(&stage.details);
    html! {
        div.stage {
            div.stage-head {
                strong { (titles::words(&stage.stage)) }
                span.small {
                    (titles::count(stage.rows)) " in, " (titles::count(stage.outputs)) " out"
                    @if stage.dropped > 0 { ", " (titles::count(stage.dropped)) " rejected" }
                    @if stage.reduced > 0 { ", " (titles::count(stage.reduced)) " in part" }
                }
            }
            @if let Some(subsets) = subsets(stage) {
                (transfer_set(&subsets))
            } @else {
                div.flow { @for (class, rows, name) in parts {
                    @if rows > 0 { span class=(class) style=(width(rows)) title={ (titles::count(rows)) " " (name) } {} }
                } }
            }
            @if !details.is_empty() {
                p.facts { @for (name, value) in &details { span { (name) " " strong { (value) } } } }
            }
            @if !stage.reasons.is_empty() {
                details {
                    summary {
                        @for reason in stage.reasons.iter().take(4) {
                            span.reason { (titles::words(&reason.reason)) " " strong { (titles::count(reason.count)) } }
                        }
                        @if stage.reasons.len() > 4 { span.reason { "and " (stage.reasons.len() - 4) " more" } }
                    }
                    @for reason in &stage.reasons { (reason_examples(reason)) }
                }
            }
        }
    }
}

fn reason_examples(reason: &Reason) -> Markup {
    let fields: Vec<String> = reason
        .fields
        .iter()
        .map(|(field, count)| format!("{} {}", titles::count(*count), titles::field(field)))
        .collect();
    html! {
        div.rejections {
            h4 { (titles::words(&reason.reason)) " " span.small { (fields.join(", ")) } }
            @for example in &reason.examples {
                blockquote dir="auto" {
                    @for (name, text) in &example.texts { p.text { span.name { (titles::field(name)) } (text) } }
                    @if !example.detail.is_empty() { p.text { span.name { "found" } (example.detail) } }
                    footer { (example.id) " · " (titles::field(&example.field)) }
                }
            }
        }
    }
}

/// A subset of the transfer set, from the details of the stage `mix`.
#[derive(Deserialize)]
struct SubsetRows {
    rows: u64,
    #[serde(default)]
    generated: u64,
    #[serde(default)]
    held_out_rows: u64,
}

/// The subsets in the paper's order; `None` for other stages.
fn subsets(stage: &FunnelStage) -> Option<Vec<(Subset, SubsetRows)>> {
    let details = stage.details.get("subsets")?;
    let subsets = Subset::ALL.iter().filter_map(|subset| {
        let rows = SubsetRows::deserialize(details.get(subset.name())?).ok()?;
        Some((*subset, rows))
    });
    let subsets: Vec<_> = subsets.collect();
    (!subsets.is_empty()).then_some(subsets)
}

fn transfer_set(subsets: &[(Subset, SubsetRows)]) -> Markup {
    let rows = subsets
        .iter()
        .map(|(_, subset)| subset.rows)
        .sum::<u64>()
        .max(1);
    html! {
        div.flow { @for (index, (name, subset)) in subsets.iter().enumerate() {
            span class={ "s-" (index) } title={ (name.name()) ": " (titles::count(subset.rows)) " examples" }
                style=(format!("width:{:.2}%", 100.0 * subset.rows as f64 / rows as f64)) {}
        } }
        div.scroll { table.subsets {
            thead { tr {
                th { "Subset" } th { "The model reads → and learns to write" } th.num { "Examples" } th.num { "Answers by the model" }
                th.num { "Held out" }
            } }
            tbody { @for (index, (name, subset)) in subsets.iter().enumerate() {
                tr {
                    th scope="row" { span class={ "key s-" (index) } { (name.name()) } }
                    @let (reads, writes) = explained(*name);
                    td { (reads) " → " (writes) }
                    td.num { (titles::count(subset.rows)) }
                    td.num { (titles::count(subset.generated)) }
                    td.num { (titles::count(subset.held_out_rows)) }
                }
            } }
        } }
    }
}

/// Numbers and words among a stage's details, by path.
fn facts(details: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, facts: &mut Vec<(String, String)>) {
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        match value {
            Value::Object(entries) => {
                // What a dictionary knows of the words of the questions.
                if let (Some(share), Some(words)) = (number("share"), number("words")) {
                    let (share, words) = (titles::score(share, SHARE), titles::count(words as u64));
                    facts.push((path.to_owned(), format!("{share} of {words} words")));
                    return;
                }
                // How many rows have and teach the LLM's own answer.
                if let (Some(rows), Some(available), Some(own)) =
                    (number("rows"), number("available"), number("own"))
                {
                    let [rows, available, own] =
                        [rows, available, own].map(|count| titles::count(count as u64));
                    let text = format!("{available} usable of {rows}, {own} taught");
                    facts.push((path.to_owned(), text));
                    return;
                }
                for (key, value) in entries.iter().filter(|(key, _)| *key != "subsets") {
                    let key = titles::detail(key);
                    let path = if path.is_empty() {
                        key
                    } else {
                        format!("{path} {key}")
                    };
                    walk(&path, value, facts);
                }
            }
            Value::Number(number) => {
                let text = match number.as_u64() {
                    Some(whole) => titles::count(whole),
                    None => titles::score(number.as_f64().unwrap_or(0.0), ""),
                };
                facts.push((path.to_owned(), text));
            }
            Value::String(text) => facts.push((path.to_owned(), text.clone())),
            _ => {}
        }
    }
    let mut facts = Vec::new();
    walk("", details, &mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_that_belong_together_are_one_fact() {
        let details = json!({
            "answers": { "rows": 1200, "available": 23, "own": 21 },
            "dictionary_coverage": { "por_Latn": { "into": { "share": 0.5, "words": 320 } } },
            "test_rows": 37,
            "subsets": { "LL": { "rows": 3 } },
        });
        let facts: Vec<String> = facts(&details)
            .into_iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(
            facts,
            [
                "the LLM's own answers 23 usable of 1,200, 21 taught",
                "The dictionary translates Portuguese from the source language: 50.0\u{a0}% of 320 words",
                "examples kept for evaluation 37",
            ]
        );
    }
}
