//! Maps of representations as a page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Inside;

const SIZE: f64 = 420.0;

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
    figure{display:inline-block;margin:1em;max-width:calc(100% - 2em)}svg{border:1px solid #8888;width:420px;max-width:100%}.s{fill:#d4503f}.t{fill:#3d8fd1}\
    line{stroke:#8888;stroke-width:.6}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}\
    th:first-child{text-align:left}";

/// A map per model, and the numbers. `languages` are the names of source and target.
pub fn render(languages: [&str; 2], models: &[Inside]) -> String {
    let [source, target] = languages;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Representations of " (source) " and " (target) " sentences" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Representations of " (source) " and " (target) " sentences" }
                p {
                    "States of the last token of each sentence, placed by t-SNE. Red: " (source)
                    "; blue: " (target) "; lines connect translations."
                }
                @for model in models { (map(model)) }
                table {
                    tr { th {} @for model in models { th { (model.name) } } }
                    @for (name, of) in NUMBERS {
                        tr { th { (name) } @for model in models { td { (format!("{:.3}", of(model))) } } }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// A number of a model, with its name.
type Number = (&'static str, fn(&Inside) -> f64);

const NUMBERS: [Number; 5] = [
    ("cosine of translations", |one| one.closeness.translations),
    ("cosine of other pairs", |one| one.closeness.others),
    ("translation is the closest, from the source", |one| {
        one.closeness.retrieved_from_source
    }),
    ("translation is the closest, from the target", |one| {
        one.closeness.retrieved_from_target
    }),
    ("linear CKA", |one| one.closeness.cka),
];

fn map(model: &Inside) -> Markup {
    let all = || model.source.iter().chain(&model.target).flatten();
    let most = all().map(|value| value.abs()).fold(1e-9, f64::max);
    let scale = |value: f64| format!("{:.1}", SIZE / 2.0 * (1.0 + 0.95 * value / most));
    let dot = |place: &[f64; 2], class: &str| {
        html! { circle class=(class) cx=(scale(place[0])) cy=(scale(place[1])) r="2.5" {} }
    };
    html! {
        figure {
            figcaption { (model.name) }
            svg viewBox=(format!("0 0 {SIZE} {SIZE}")) role="img" aria-label=(model.name) {
                @for (one, other) in model.source.iter().zip(&model.target) {
                    line x1=(scale(one[0])) y1=(scale(one[1])) x2=(scale(other[0])) y2=(scale(other[1])) {}
                }
                @for place in &model.source { (dot(place, "s")) }
                @for place in &model.target { (dot(place, "t")) }
            }
        }
    }
}
