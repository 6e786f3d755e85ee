//! The verdict, and what to do with the model now.

use corpus::shell;
use maud::{Markup, html};

use crate::report::Report;
use crate::report::verdict::{Finding, Outcome, RunVerdict};

pub fn render(verdict: &RunVerdict) -> Markup {
    let class = match verdict.outcome {
        Outcome::Better => "better",
        Outcome::Worse => "worse",
        Outcome::Mixed | Outcome::NoDifference => "neutral",
    };
    html! {
        p.sentence { span class={ "change " (class) } { (verdict.outcome.words()) } " " strong { (verdict.summary) } }
        div.halves {
            @if !verdict.worse.is_empty() { (findings("▼ Worse", &verdict.worse)) }
            @if !verdict.better.is_empty() { (findings("▲ Better", &verdict.better)) }
        }
        @if !verdict.advice.is_empty() {
            h3 { "What to do" }
            ol { @for advice in &verdict.advice { li { (spelt(advice)) } } }
        }
    }
}

fn findings(title: &str, findings: &[Finding]) -> Markup {
    html! {
        div { h3 { (title) } ul { @for finding in findings { li { (finding.text) } } } }
    }
}

/// Text whose parts between backticks are code.
fn spelt(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Commands for a finished model; the paths are relative to the folder that holds the run's.
pub fn what_now(report: &Report) -> Markup {
    let [model, config, gguf] = ["/model", "/config.toml", "-gguf"]
        .map(|end| shell::quoted(&format!("{}{end}", report.name)).into_owned());
    let told = |system: &str| {
        report.classification.iter().any(|results| {
            results
                .systems
                .first()
                .is_some_and(|first| first.name == system)
        })
    };
    let steps: Vec<(&str, String)> = match &report.classification {
        Some(_) => {
            let language = match told(crate::classification::MT_LLM.name) {
                true => " --language deu_Latn",
                false => "",
            };
            vec![(
                "Label texts, one a line",
                format!("xldistill predict --model {model}{language} < texts.txt"),
            )]
        }
        None => vec![
            ("Talk to it", format!("xldistill chat --model {model}")),
            (
                "Answer the questions of a file, one a line",
                format!("xldistill generate --model {model} --prompts questions.txt"),
            ),
            (
                "Convert it for llama.cpp and Ollama",
                format!("xldistill export --model {model} --to gguf {gguf}"),
            ),
            (
                "Measure it on other data",
                format!("xldistill evaluate {config} --model {model}"),
            ),
            (
                "Go on: more data, or another language from here",
                format!(
                    "xldistill init next.toml   # with model = \"{}/model\"",
                    report.name
                ),
            ),
        ],
    };
    html! {
        p.lead { "In the folder that contains " code { (report.name) } ":" }
        dl.commands { @for (purpose, command) in steps {
            dt { (purpose) } dd { pre { code { (command) } } }
        } }
        @if report.classification.is_none() {
            p.small { "The model is a Hugging Face directory, or a PEFT adapter if it was trained with "
                code { "train.method = \"lora\"" } " and not merged. Transformers loads it with "
                code { "AutoModelForCausalLM.from_pretrained" } ", PEFT an adapter with "
                code { "AutoPeftModelForCausalLM.from_pretrained" } "." }
        }
    }
}
