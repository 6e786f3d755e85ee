//! The model card of a model directory.

use std::fmt::Write;

use super::{BackboneKind, Description, ModelReference};
use crate::classifier::HeadKind;

/// What a model card says that the model itself does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardFacts {
    /// The data it was trained on, one line each, with their licences.
    pub data: Vec<String>,
    /// Scores: what was measured, and the result.
    pub scores: Vec<(String, String)>,
}

/// The text of `README.md`.
pub(super) fn card(description: &Description, facts: &CardFacts) -> String {
    let mut card = String::from("---\nlibrary_name: xldistill\ntags:\n- mt-llm\n---\n\n");
    let Description { llm, encoder, .. } = description;
    let encoder = encoder.as_ref().map(|encoder| &encoder.model);
    let kind = match description.kind {
        BackboneKind::Llm => "An LLM that reads texts as an encoder (LLM2Vec, arXiv 2404.05961).",
        BackboneKind::Encoder => "A multilingual encoder with an adapter.",
        BackboneKind::Stack => {
            "An English LLM that reads the languages of a multilingual encoder, whose hidden states \
             are projected to the LLM's width in place of token embeddings (MT-LLM, arXiv \
             2406.12739)."
        }
    };
    line(&mut card, "# Model\n");
    line(&mut card, kind);
    if !description.tasks.is_empty() {
        line(&mut card, "\n## Tasks\n");
    }
    for (task, head) in &description.tasks {
        let reads = match head.kind {
            HeadKind::Choices => "one of the choices of a question".into(),
            _ => format!("one of {}", head.labels.join(", ")),
        };
        line(&mut card, &format!("- `{task}`: {reads}"));
    }
    line(&mut card, "\n## Built on\n");
    for (name, model) in [("LLM", llm.as_ref()), ("Encoder", encoder)] {
        if let Some(model) = model {
            line(&mut card, &built_on(name, model));
        }
    }
    line(
        &mut card,
        "\nThese models are not part of this directory; their licences apply to the whole.",
    );
    if !facts.data.is_empty() {
        line(&mut card, "\n## Trained on\n");
        for data in &facts.data {
            line(&mut card, &format!("- {data}"));
        }
    }
    if !facts.scores.is_empty() {
        line(&mut card, "\n## Scores\n\n| | |\n|---|---|");
        for (name, score) in &facts.scores {
            line(&mut card, &format!("| {name} | {score} |"));
        }
    }
    line(&mut card, "\n## Use\n");
    if !description.shifted.is_empty() {
        line(
            &mut card,
            &format!(
                "The encoder's states of texts in {} are shifted to those of the language of training \
                 (centring), so the model must be told the language of a text.\n",
                description.shifted.join(", ")
            ),
        );
    }
    line(&mut card, &usage(description));
    card
}

/// How to run the model.
fn usage(description: &Description) -> String {
    if description.tasks.is_empty() {
        return "The starting point of `xldistill distill`; `models::Backbone::load` in Rust gives the \
                pooled states of texts."
            .to_owned();
    }
    let mut usage = String::from("```sh\n");
    for (task, head) in &description.tasks {
        let mut command = String::from("xldistill predict --model THIS_DIRECTORY");
        if description.tasks.len() > 1 {
            command.push_str(&format!(" --task {task}"));
        }
        if let Some(language) = description.shifted.first() {
            command.push_str(&format!(" --language {language}"));
        }
        command.push_str(match head.kind {
            HeadKind::Text | HeadKind::Labels => " < texts.txt",
            HeadKind::Pair => " --pairs < pairs.tsv",
            HeadKind::Choices => " --jsonl < questions.jsonl",
        });
        line(&mut usage, &command);
    }
    usage.push_str("```\n\nOr `models::classifier::Classifier::load` in Rust.");
    usage
}

fn built_on(name: &str, model: &ModelReference) -> String {
    let short = model.path.file_name().unwrap_or(model.path.as_os_str());
    let licence = model.licence.as_deref().unwrap_or("not stated");
    format!(
        "- {name}: {} (revision {}, licence: {licence})",
        short.display(),
        model.revision
    )
}

fn line(card: &mut String, text: &str) {
    writeln!(card, "{text}").expect("a string takes any text");
}
