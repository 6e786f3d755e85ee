//! Presentation of a task in a report.

use corpus::language::Language;
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
    /// Its place in the tables of a grid; `None` leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// The same test set in several languages: a table of a grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Name of the test set, e.g. `BELEBELE`.
    pub benchmark: String,
    /// The language translated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Language>,
    /// Keys of the measures that have a table.
    pub measures: Vec<String>,
    /// Its part in the averages over test sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub averaged: Option<Averaged>,
}

/// The part of a test set in the averages over test sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Averaged {
    /// The average.
    pub skill: Skill,
    /// Key of the measure that is averaged.
    pub measure: String,
}

/// The averages of Table 6 of the SDRRL paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skill {
    /// NLU: accuracies.
    Understanding,
    /// NLG: BLEU, ROUGE-L and F1.
    Generation,
}

impl Series {
    /// The tables of `measures` of a test set, without a part in the averages.
    pub fn of<const N: usize>(benchmark: &str, measures: [&str; N]) -> Self {
        Self {
            benchmark: benchmark.to_owned(),
            from: None,
            measures: measures.map(str::to_owned).into(),
            averaged: None,
        }
    }

    /// With a part in the average of `skill`.
    pub fn averaged(self, skill: Skill, measure: &str) -> Self {
        let measure = measure.to_owned();
        Self {
            averaged: Some(Averaged { skill, measure }),
            ..self
        }
    }

    /// Translations from `language`.
    pub fn translated_from(self, language: Language) -> Self {
        Self {
            from: Some(language),
            ..self
        }
    }
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
