//! The report as a page without network access or scripts, readable in light and dark mode, on
//! paper and on a phone. `maud` escapes all text from outside.

mod accuracy;
mod answers;
mod changes;
mod chart;
mod confusion;
mod funnel;
mod overview;
mod scores;
mod subsets;
mod training;
mod verdict;

use maud::{DOCTYPE, Markup, html};

use super::classification::{Board, boards};
use super::{Report, titles};

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = overview::title(report);
    let boards = report.classification.as_ref().map_or_else(Vec::new, boards);
    let changes = |board: &Board<'_>| board.sets.iter().any(|set| set.changes.is_some());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "xldistill " (report.version) };
                title { (title) " · xldistill" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                (overview::header(report, &title, &boards))
                main {
                    @if let Some(verdict) = &report.verdict {
                        (section("verdict", "Verdict", verdict::render(verdict)))
                    }
                    (overview::tiles(report, &boards))
                    @if !boards.is_empty() {
                        (section("accuracy", "Accuracy by language", accuracy::render(&boards)))
                        (section("confusion", "Confusion by language", confusion::render(&boards)))
                    }
                    @if boards.iter().any(changes) {
                        (section("changes", "Read differently", changes::render(&boards)))
                    }
                    @if report.before_and_after().next().is_some() {
                        (section("scores", "Scores before and after", scores::render(report)))
                    }
                    @if !report.answers.is_empty() {
                        (section("answers", "Verdicts on the answers", answers::verdicts(report)))
                    }
                    @if !report.samples.is_empty() {
                        (section("samples", "Answers side by side", answers::side_by_side(report)))
                    }
                    @if report.training.is_some() || !report.trainings.is_empty() {
                        (section("training", "Training", training::render_all(report)))
                    }
                    @if !report.funnel.is_empty() {
                        (section("funnel", "Rows kept and rejected", funnel::render(report)))
                    }
                    @if report.verdict.is_some() {
                        (section("now", "What now", verdict::what_now(report)))
                    }
                    (section("run", "The run", overview::run(report)))
                }
                footer {
                    "Made by xldistill " (report.version)
                    @if report.finished_at > 0 { " from a run finished " (titles::moment(report.finished_at)) }
                    ". The numbers of this page are in " code { "report.json" } "."
                }
            }
        }
    }
    .into_string()
}

fn section(id: &str, title: &str, content: Markup) -> Markup {
    html! {
        section id=(id) {
            h2 { (title) }
            (content)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::STYLE;

    /// The colours of the light or the dark palette; the dark one replaces some of the light one.
    fn palette(dark: bool) -> BTreeMap<&'static str, [f64; 3]> {
        let blocks = STYLE
            .split(":root {")
            .skip(1)
            .take(if dark { 2 } else { 1 });
        let declarations =
            blocks.flat_map(|block| block.split('}').next().unwrap_or_default().split(';'));
        let colour = |value: &str| -> Option<[f64; 3]> {
            let digits = value.trim().strip_prefix('#')?;
            let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            Some([channel(0)?, channel(2)?, channel(4)?].map(|one| f64::from(one) / 255.0))
        };
        declarations
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.trim().strip_prefix("--")?, colour(value)?))
            })
            .collect()
    }

    /// The contrast of two colours as in WCAG 2.2.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let [red, green, blue] = colour.map(|c| match c <= 0.04045 {
                true => c / 12.92,
                false => ((c + 0.055) / 1.055).powf(2.4),
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn all_text_can_be_read_in_light_and_dark_mode() {
        let black_on_white = contrast([0.0; 3], [1.0; 3]);
        assert!((black_on_white - 21.0).abs() < 1e-9);
        let pairs = [
            ("ink", "page"),
            ("ink", "card"),
            ("ink", "quiet"),
            ("ink", "accent-soft"),
            ("soft", "page"),
            ("soft", "card"),
            ("soft", "quiet"),
            ("faint", "page"),
            ("faint", "card"),
            ("good", "good-soft"),
            ("bad", "bad-soft"),
            ("bad", "card"),
            ("accent", "card"),
            ("on-verdict", "v-in"),
            ("on-verdict", "v-off"),
            ("on-verdict", "v-loop"),
            ("on-bright", "v-copy"),
            ("on-quiet", "v-unclear"),
            ("on-quiet", "v-empty"),
        ];
        for dark in [false, true] {
            let colours = palette(dark);
            for (text, ground) in pairs {
                let found = contrast(colours[text], colours[ground]);
                assert!(found >= 4.5, "{text} on {ground}, dark {dark}: {found:.2}");
            }
        }
    }
}
