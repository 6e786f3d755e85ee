//! Presentation of a task in a report.

use serde::{Deserialize, Serialize};

/// Presentation of a task in a report; stored with its scores, so the report parses no names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// Title, e.g. `Translation, English → Portuguese`.
    pub title: String,
    /// Heading of the task's rows in a table; tasks may share one.
    pub group: String,
    /// Name of the rows, if the heading names the measure; by default, the measure's name.
    #[serde(default)]
    pub row: Option<String>,
    /// Position in the report: ascending, then by name.
    pub order: u32,
    /// The score to show first.
    #[serde(default)]
    pub headline: Option<Headline>,
    /// Key of the prompt in the documents, if answers are to be shown side by side.
    #[serde(default)]
    pub asked: Option<String>,
    /// Keys of measures that partition the documents, shown as a single bar.
    #[serde(default)]
    pub shares: Vec<String>,
}

/// The score of a task to show first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// Key of the measure.
    pub measure: String,
    /// Name of the score, e.g. `chrF++ into Portuguese`.
    pub label: String,
    /// Whether it is also shown for the source language, which must not get worse.
    pub of_source: bool,
}

impl Headline {
    /// A headline score of tasks in the target languages.
    pub fn new(measure: &str, label: String) -> Self {
        Self {
            measure: measure.to_owned(),
            label,
            of_source: false,
        }
    }
}
