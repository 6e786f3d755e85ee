//! The verdict, and what to do with the model now.

use std::collections::BTreeMap;

use corpus::shell;
use maud::{Markup, html};

use crate::classification::{ClassificationResults, InputKind, MT_LLM};
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

/// A command for each task of a classifier, with what its input is.
fn predictions(results: &ClassificationResults, model: &str) -> Vec<(&'static str, String)> {
    let tasks: BTreeMap<&str, InputKind> = (results.sets.iter())
        .map(|set| (set.task.as_str(), set.input))
        .collect();
    let is_stack = (results.systems.first()).is_some_and(|first| first.name == MT_LLM.name);
    let step = |(task, input): (&&str, &InputKind)| {
        let mut command = format!("xldistill predict --model {model}");
        if tasks.len() > 1 {
            command.push_str(&format!(" --task {}", shell::quoted(task)));
        }
        if is_stack {
            command.push_str(" --language deu_Latn");
        }
        let (purpose, arguments) = match input {
            InputKind::Text => ("Label texts, one a line", " < texts.txt"),
            InputKind::Pair => (
                "Label pairs of texts, with a tab between the two",
                " --pairs < pairs.tsv",
            ),
            InputKind::Choices => (
                "Answer questions, a JSON object with passage, question and choices a line",
                " --jsonl < questions.jsonl",
            ),
        };
        (purpose, command + arguments)
    };
    tasks.iter().map(step).collect()
}

/// Commands for a finished model; the paths are relative to the folder that holds the run's.
pub fn what_now(report: &Report) -> Markup {
    let [model, config, gguf] = ["/model", "/config.toml", "-gguf"]
        .map(|end| shell::quoted(&format!("{}{end}", report.name)).into_owned());
    let steps: Vec<(&str, String)> = match &report.classification {
        Some(results) => predictions(results, &model),
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
