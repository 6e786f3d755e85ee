//! Curves and numbers of training.

use std::collections::BTreeMap;

use artefacts::training::Interval;
use corpus::language::Language;
use corpus::record::Subset;
use maud::{Markup, html};

use super::chart::{LineChart, Series};
use super::subsets;
use crate::report::training::{ALL, FinishedTraining, MeasuredCurves};
use crate::report::{RecipeTraining, Report, TrainingSummary, titles};
use crate::task::SHARE;

/// Fine-tuning, and the other trainings of a run.
pub fn render_all(report: &Report) -> Markup {
    html! {
        @if let Some(training) = &report.training { (render(training, TOKENS)) }
        @for (number, RecipeTraining { title, course }) in report.trainings.iter().enumerate() {
            details.training open[number < OPEN] {
                summary { (titles::words(title)) }
                (render(course, "loss"))
            }
        }
    }
}

/// Unit of the losses of fine-tuning.
const TOKENS: &str = "nats per token";
/// Number of trainings that are not folded away.
const OPEN: usize = 3;

fn render(training: &TrainingSummary, unit: &str) -> Markup {
    let window = (training.steps as usize / 40).max(1);
    let none = Intervals::new();
    html! {
        p.facts {
            span {
                strong { (titles::count(training.steps)) } " optimiser steps"
                @if let Some(planned) = planned_beyond(training) { " of " (titles::count(planned)) " (stopped early)" }
            }
            span { strong { (format!("{:.2}", training.epochs)) } " epochs" }
            span { strong { (titles::count(training.tokens)) } " tokens" }
            @if let (Some(first), Some((step, best))) =
                (training.first_held_out_loss, training.best_held_out_loss) {
                span { "held-out loss " strong { (format!("{first:.3}")) } " → "
                    strong { (format!("{best:.3}")) } " at step " (titles::count(step)) }
            }
        }
        @if let Some(finished) = &training.finished { (particulars(finished)) }
        div.charts {
            (curves("Training loss", unit, &training.train, &none, window))
            (curves("Held-out loss", unit, &training.held_out, &none, 1))
            @for MeasuredCurves { title, unit, train, held_out, intervals } in &training.measured {
                (curves(&format!("{title} in training"), unit, train, &none, window))
                (curves(title, unit, held_out, intervals, 1))
            }
        }
        (subsets::key(training.train.keys().chain(training.held_out.keys()).map(String::as_str)))
        @if window > 1 {
            p.small { "Training curves are means over " (window) " steps. "
                @match unit {
                    TOKENS => "Losses are means over answer tokens; the dashed line is the weighted objective.",
                    _ => "The dashed line is the objective, or the whole of what was measured.",
                }
            }
        }
    }
}

/// The number of planned steps, if training stopped early.
fn planned_beyond(training: &TrainingSummary) -> Option<u64> {
    let planned = training.finished.as_ref()?.summary.planned_steps as u64;
    (planned > training.steps).then_some(planned)
}

fn particulars(finished: &FinishedTraining) -> Markup {
    let summary = &finished.summary;
    let count = |count: usize| titles::count(count as u64);
    let left_out = [
        (summary.dropped_examples, "dropped as too long"),
        (summary.truncated_examples, "truncated"),
    ];
    html! {
        p.facts {
            span { strong { (count(summary.training_examples)) } " examples, "
                strong { (count(summary.held_out_examples)) } " held out" }
            @for (number, what) in left_out {
                @if number > 0 { span { strong { (count(number)) } " " (what) } }
            }
            span { strong { (count(summary.trainable_parameters)) } " trainable parameters" }
            span { "peak learning rate " strong { (format!("{:.2e}", summary.learning_rate)) } }
            span { "parameters of step " strong { (count(summary.best_step)) } " exported" }
        }
        @for warning in &summary.warnings { p.warning { (warning) } }
    }
}

/// Intervals by curve: the step, and the interval.
type Intervals = BTreeMap<String, Vec<(u64, Interval)>>;

fn curves(
    title: &str,
    unit: &str,
    curves: &BTreeMap<String, Vec<(u64, f64)>>,
    intervals: &Intervals,
    window: usize,
) -> Markup {
    // A whole of one part would hide it.
    let is_part = |whole: &Vec<(u64, f64)>| {
        curves
            .iter()
            .any(|(name, part)| name != ALL && part == whole)
    };
    let only_part = curves.len() == 2 && curves.get(ALL).is_some_and(is_part);
    let (scale, unit) = if unit == SHARE {
        (100.0, "%")
    } else {
        (1.0, unit)
    };
    let subsets = Subset::ALL.iter().map(|subset| subset.name());
    let known: Vec<&str> = subsets.chain([ALL]).collect();
    let others = curves
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name));
    let series: Vec<Series> = known
        .iter()
        .copied()
        .chain(others)
        .enumerate()
        .filter(|(_, name)| !(only_part && *name == ALL))
        .filter_map(|(index, name)| {
            let points = smooth(curves.get(name)?, window, scale);
            // Those of several languages would hide each other.
            let is_shown = name == ALL || intervals.len() == 1;
            let whiskers = intervals.get(name).filter(|_| is_shown);
            let whiskers = whiskers.into_iter().flatten();
            let whiskers = whiskers.map(|(step, interval)| {
                (*step as f64, scale * interval.low, scale * interval.high)
            });
            let class = if name == ALL {
                "s-all".to_owned()
            } else {
                format!("s-{}", index % Subset::ALL.len())
            };
            Some(Series {
                name: spelt_out(name).to_owned(),
                class,
                points,
                intervals: whiskers.collect(),
            })
        })
        .collect();
    html! { @if !series.is_empty() {
        (LineChart { title, x_label: "optimiser step", y_label: unit, series, markers: window == 1, note: answers(intervals) }.render())
    } }
}

/// Says what the intervals are, and over how many answers.
fn answers(intervals: &Intervals) -> Option<String> {
    let counts = |name: &str| {
        let counts = intervals.get(name).into_iter().flatten();
        counts.map(|(_, one)| one.answers)
    };
    let all = counts(ALL).max()?;
    let each = || intervals.keys().filter(|name| *name != ALL);
    let of_each = || each().flat_map(|name| counts(name));
    let answers = match (of_each().min(), of_each().max()) {
        (Some(fewest), Some(most)) if fewest == most => {
            format!("{all} answers, {most} in each language,")
        }
        (Some(fewest), Some(most)) => {
            format!("{all} answers, {fewest} to {most} in each language,")
        }
        _ => format!("{all} answers"),
    };
    Some(format!(
        "Over {answers} at each step; step 0 is the model before training. Bars are 95 % intervals."
    ))
}

/// The name of a curve; for the code of a language, the language's name.
fn spelt_out(name: &str) -> &str {
    let language = Language::parse(name).ok();
    let language = language.filter(|language| language.code() == name);
    match language {
        Some(language) => language.everyday_name(),
        None => name,
    }
}

/// Moving averages, placed at the last step of each window and multiplied by `scale`.
fn smooth(points: &[(u64, f64)], window: usize, scale: f64) -> Vec<(f64, f64)> {
    points
        .iter()
        .enumerate()
        .map(|(index, (step, _))| {
            let recent = &points[index.saturating_sub(window - 1)..=index];
            let mean = recent.iter().map(|(_, loss)| loss).sum::<f64>() / recent.len() as f64;
            (*step as f64, scale * mean)
        })
        .collect()
}
