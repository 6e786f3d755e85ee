//! Verdicts on answers, and answers side by side.

use std::collections::BTreeMap;

use corpus::language::Language;
use maud::{Markup, html};

use crate::report::{LanguageVerdicts, Report, SampleAnswers, titles};
use crate::task::off_target::Verdict;

pub fn verdicts(report: &Report) -> Markup {
    html! {
        p.legend { @for (_, key, name) in Verdict::ALL { span class={ "key v-" (key) } { (name) } } }
        @for language in &report.answers { (language_verdicts(language)) }
    }
}

fn language_verdicts(verdicts: &LanguageVerdicts) -> Markup {
    let wrong = wrong_languages(verdicts);
    html! {
        div.verdicts {
            h3 { (verdicts.title) " "
                span.small { (verdicts.questions) " questions" } }
            @for (when, shares) in [("before", &verdicts.before), ("after", &verdicts.after)] {
                @if let Some(shares) = shares { (bar(when, shares)) }
            }
            @if !wrong.is_empty() {
                table.wrong {
                    caption { "Wrong languages" }
                    thead { tr { th { "Language" } th.num { "Before" } th.num { "After" } } }
                    tbody { @for (code, before, after) in wrong {
                        tr {
                            th scope="row" { (language_name(&code)) }
                            td.num { (before) }
                            td.num { (after) }
                        }
                    } }
                }
            }
        }
    }
}

fn bar(when: &str, shares: &BTreeMap<String, f64>) -> Markup {
    html! {
        div.stack-row {
            span.when { (when) }
            div.stack role="img" aria-label={ "verdicts " (when) } {
                @for (_, key, name) in Verdict::ALL {
                    @let share = shares.get(key).copied().unwrap_or(0.0);
                    @if share > 0.0 {
                        span class={ "v-" (key) } style={ "width:" (format!("{share:.2}")) "%" }
                            title={ (name) ": " (titles::score(share, "%")) } {
                            @if share >= 7.0 { (format!("{share:.0} %")) }
                        }
                    }
                }
            }
        }
    }
}

/// Code, count before, count after; the most frequent first.
fn wrong_languages(verdicts: &LanguageVerdicts) -> Vec<(String, u64, u64)> {
    let (before, after) = (&verdicts.wrong_before, &verdicts.wrong_after);
    let mut codes: Vec<&String> = before.keys().chain(after.keys()).collect();
    codes.sort();
    codes.dedup();
    let count = |counts: &BTreeMap<String, u64>, code| counts.get(code).copied().unwrap_or(0);
    let mut rows: Vec<_> = codes
        .into_iter()
        .map(|code| (code.clone(), count(before, code), count(after, code)))
        .collect();
    rows.sort_by_key(|(_, before, after)| std::cmp::Reverse(before + after));
    rows
}

fn language_name(code: &str) -> String {
    Language::parse(code).map_or_else(|_| code.to_owned(), |found| found.name().to_owned())
}

pub fn side_by_side(report: &Report) -> Markup {
    let mut tasks: Vec<(&str, Vec<&SampleAnswers>)> = Vec::new();
    for sample in &report.samples {
        match tasks.last_mut() {
            Some((title, samples)) if *title == sample.title => samples.push(sample),
            _ => tasks.push((&sample.title, vec![sample])),
        }
    }
    html! {
        p.lead { "Evenly spaced documents of each task, not picked by hand." }
        @for (index, (task, samples)) in tasks.iter().enumerate() {
            details.samples open[index == 0] {
                summary { (task) " " span.small { (samples.len()) " shown" } }
                @for sample in samples { (answers(sample)) }
            }
        }
    }
}

fn answers(sample: &SampleAnswers) -> Markup {
    // Right-to-left scripts read right-to-left.
    let tag = sample
        .language
        .iso639_1()
        .unwrap_or(sample.language.iso639_3());
    html! {
        article.sample {
            p.question dir="auto" { (sample.question) }
            div.columns {
                (answer("Before", sample.before.as_deref(), sample.before_verdict.as_deref(), tag))
                (answer("After", sample.after.as_deref(), sample.after_verdict.as_deref(), tag))
                @if !sample.reference.is_empty() {
                    (answer("Reference", Some(&sample.reference), None, tag))
                }
            }
        }
    }
}

fn answer(title: &str, text: Option<&str>, verdict: Option<&str>, language: &str) -> Markup {
    let name = verdict.and_then(|verdict| {
        Verdict::ALL
            .into_iter()
            .find(|(_, key, _)| *key == verdict)
            .map(|(_, _, name)| name)
    });
    html! {
        div {
            h4 { (title)
                @if let (Some(verdict), Some(name)) = (verdict, name) {
                    " " span class={ "key v-" (verdict) } { (name) }
                }
            }
            @match text {
                Some("") => p.none { "(empty)" },
                Some(text) => p.text lang=(language) dir="auto" { (text) },
                None => p.none { "not evaluated" },
            }
        }
    }
}
