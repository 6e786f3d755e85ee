//! What every stage kept and rejected, with examples.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::funnel::Reason;
use crate::report::{FunnelStage, Report, titles};

pub fn render(report: &Report) -> Markup {
    let widest = report
        .funnel
        .iter()
        .map(|stage| stage.rows.max(stage.outputs + stage.dropped))
        .max()
        .unwrap_or(1)
        .max(1);
    html! {
        p.legend {
            span.key.f-whole { "passed on whole" }
            span.key.f-reduced { "passed on without the rejected texts" }
            span.key.f-dropped { "rejected" }
        }
        div.funnel { @for stage in &report.funnel { (stage_row(stage, widest)) } }
    }
}

fn stage_row(stage: &FunnelStage, widest: u64) -> Markup {
    let whole = stage.outputs.saturating_sub(stage.reduced);
    let width = |rows: u64| format!("width:{:.2}%", 100.0 * rows as f64 / widest as f64);
    let parts = [
        ("f-whole", whole, "passed on whole"),
        (
            "f-reduced",
            stage.reduced.min(stage.outputs),
            "passed on without the rejected texts",
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
                    @if stage.reduced > 0 { ", " (titles::count(stage.reduced)) " reduced" }
                }
            }
            div.flow { @for (class, rows, name) in parts {
                @if rows > 0 { span class=(class) style=(width(rows)) title={ (titles::count(rows)) " " (name) } {} }
            } }
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
        .map(|(field, count)| format!("{} {}", titles::count(*count), field))
        .collect();
    html! {
        div.rejections {
            h4 { (titles::words(&reason.reason)) " " span.small { (fields.join(", ")) } }
            @for example in &reason.examples {
                blockquote dir="auto" {
                    p.text { (example.text) }
                    footer { (example.id) " · " (example.field) @if !example.detail.is_empty() { " · " (example.detail) } }
                }
            }
        }
    }
}

/// Numbers and words among a stage's details, by their path.
fn facts(details: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, facts: &mut Vec<(String, String)>) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let key = titles::words(key);
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
