//! The table of scores with their intervals.

use maud::{Markup, html};

use super::overview::change;
use super::subsets;
use crate::report::scores::{LEVEL, ScoreRow};
use crate::report::{Report, titles};

pub fn render(report: &Report) -> Markup {
    let mut groups: Vec<(&str, Vec<&ScoreRow>)> = Vec::new();
    for row in report.before_and_after() {
        match groups.last_mut() {
            Some((title, rows)) if *title == row.group => rows.push(row),
            _ => groups.push((&row.group, vec![row])),
        }
    }
    html! {
        p.lead {
            span.plot-note {
                "Bars are 95 % bootstrap intervals: "
                span.key.before-key { "before" } " " span.key.after-key { "after" } ". "
            }
            "A difference is significant if approximate randomisation over the same documents gives p < "
            (LEVEL) "."
        }
        div.scroll { table.scores {
            thead { tr {
                th { "Measure" } th.num { "Before" } th.num { "After" } th.plot { "Interval" }
                th { "Change" } th.num.p { "p" }
            } }
            @for (title, rows) in &groups {
                tbody {
                    tr.group { th colspan="6" scope="rowgroup" { (title) } }
                    @for row in rows { (line(row)) }
                }
            }
        } }
        (signatures(report))
        (subsets::key(report.before_and_after().filter_map(|row| row.title.split(' ').next())))
    }
}

/// The signatures of metrics, by which others can compute the same scores.
fn signatures(report: &Report) -> Markup {
    let rows = report.before_and_after().filter(|row| row.has_references());
    let lines: Vec<String> = rows
        .map(|row| format!("{}, {}: {}", row.group, row.title, row.signature))
        .collect();
    html! {
        @if !lines.is_empty() {
            details.config {
                summary { "Signatures of the metrics" }
                pre { code { (lines.join("\n")) } }
            }
        }
    }
}

fn line(row: &ScoreRow) -> Markup {
    let value = |score: Option<f64>| match score {
        Some(score) => titles::score(score, &row.unit),
        None => "–".to_owned(),
    };
    let hint = match row.higher_is_better {
        Some(true) => "higher is better",
        Some(false) => "lower is better",
        None => "",
    };
    html! {
        tr {
            th scope="row" title=(row.signature) {
                (row.titled())
                @if !hint.is_empty() { span.hint { (hint) } }
            }
            td.num { (value(row.before)) }
            td.num.after { (value(row.after)) }
            td.plot { (intervals(row)) }
            td { (change(row)) }
            td.num.p { (row.p_value.map_or(String::new(), titles::p_value)) }
        }
    }
}

/// Both intervals on a scale of their own, before above after.
fn intervals(row: &ScoreRow) -> Markup {
    let both = [
        ("before", row.before, row.before_confidence, 6.5),
        ("after", row.after, row.after_confidence, 15.5),
    ];
    let ends = both.iter().flat_map(|(_, score, confidence, _)| {
        let confidence = confidence
            .iter()
            .flat_map(|interval| [interval.low, interval.high]);
        score.iter().copied().chain(confidence)
    });
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    // A single value stands in the middle: at an end, 100 % would look like 0 %.
    let (low, span) = match high > low {
        true => (low, high - low),
        false => (low - 0.5, 1.0),
    };
    let x = |value: f64| 6.0 + 148.0 * (value - low) / span;
    let text = |value: f64| titles::score(value, &row.unit);
    html! {
        svg.intervals viewBox="0 0 160 22" role="img" aria-label="95 % intervals" {
            @for (class, score, confidence, y) in both {
                @if let (Some(score), Some(interval)) = (score, confidence) {
                    g class=(class) {
                        title { (class) " " (text(score)) ", 95 %: " (text(interval.low)) " to " (text(interval.high)) }
                        line x1=(fixed(x(interval.low))) x2=(fixed(x(interval.high))) y1=(y) y2=(y) {}
                        circle cx=(fixed(x(score))) cy=(y) r="4" {}
                    }
                }
            }
        }
    }
}

fn fixed(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_share_that_never_changed_stands_in_the_middle() {
        let at = |low: f64, high: f64| {
            json!({ "confidence_mean": high, "confidence_var": 0.0, "confidence_low": low,
                "confidence_high": high, "stderr": 0.0 })
        };
        let circles = |before: f64| {
            let row: ScoreRow = serde_json::from_value(json!({
                "name": "lines", "task": "t", "key": "k", "group": "g", "title": "lines",
                "headline": null, "language": "eng_Latn", "before": before, "after": 100.0,
                "signature": "", "unit": "%", "higher_is_better": true, "p_value": 1.0,
                "before_confidence": at(before, before), "after_confidence": at(100.0, 100.0),
                "verdict": "no_difference",
            }))
            .expect("a row");
            let drawn = intervals(&row).into_string();
            let parts = drawn.split("cx=\"").skip(1);
            let cx: Vec<String> = parts
                .map(|part| part.split('"').next().unwrap_or_default().to_owned())
                .collect();
            cx
        };
        assert_eq!(circles(100.0), ["80.0", "80.0"]);
        assert_eq!(circles(50.0), ["6.0", "154.0"]);
    }
}
