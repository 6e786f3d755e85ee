//! What the data sets of natural language inference share.

use super::layout::{Input, Layout};

/// The labels in the order of their numbers in the field.
pub const LABELS: &[&str] = &["entailment", "neutral", "contradiction"];

/// `premise`, `hypothesis`, `label`: files of this project's users and of Hugging Face.
pub fn premise_hypothesis() -> Layout<'static> {
    Layout {
        input: Input::Pair("premise", "hypothesis"),
        label: "label",
        id: vec![],
        language: None,
    }
}

/// `sentence1`, `sentence2`, `gold_label`: the official files of SNLI and MNLI.
pub fn sentences() -> Layout<'static> {
    Layout {
        input: Input::Pair("sentence1", "sentence2"),
        label: "gold_label",
        id: vec!["pairID"],
        language: None,
    }
}

/// The columns of files without a header.
pub const HEADERLESS: &[&[&str]] = &[
    &["premise", "hypothesis", "label"],
    &["premise", "hypothesis"],
];
