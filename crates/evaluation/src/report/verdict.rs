//! The verdict on a run: what got better, what got worse, and what to do about it.
//!
//! Explicit rules over scores with their intervals and tests: those of a fine-tuned LLM are in
//! `generation`, those of classifiers in `classification`.

mod classification;
mod generation;

use serde::{Deserialize, Serialize};

use super::Report;
use super::classification::boards;

/// The verdict on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// In one word.
    pub outcome: Outcome,
    /// In one sentence.
    pub summary: String,
    /// What is significantly better.
    pub better: Vec<Finding>,
    /// What is significantly worse, or bad enough to be mended.
    pub worse: Vec<Finding>,
    /// What to do, the most useful first.
    pub advice: Vec<String>,
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something is better and nothing is worse.
    Better,
    /// Something is better and something is worse.
    Mixed,
    /// Something is worse and nothing is better, or the model no longer does what it is for.
    Worse,
    /// No significant difference.
    NoDifference,
}

impl Outcome {
    fn of(better: &[Finding], worse: &[Finding]) -> Self {
        match (better.is_empty(), worse.is_empty()) {
            (false, true) => Outcome::Better,
            (false, false) => Outcome::Mixed,
            (true, false) => Outcome::Worse,
            (true, true) => Outcome::NoDifference,
        }
    }

    /// For readers; the mark tells outcomes apart without colour.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Better => "▲ Better",
            Outcome::Mixed => "◆ Better and worse",
            Outcome::Worse => "▼ Worse",
            Outcome::NoDifference => "■ No clear difference",
        }
    }
}

/// A measure that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The task or test set.
    pub task: String,
    /// Key of the measure.
    pub measure: String,
    /// In words, with the figures.
    pub text: String,
}

/// The verdict on a run; `None` if there is nothing to compare yet.
pub fn of(report: &Report) -> Option<RunVerdict> {
    match &report.classification {
        Some(results) => classification::verdict(&boards(results)),
        None => generation::verdict(report),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
