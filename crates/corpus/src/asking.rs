//! Stages that ask an LLM something about each row.

use crate::repetition;
use crate::seam::{Answer, Answerer, Attempts, FinishReason, Request};
use crate::stage::{Outcome, Partial, StageError};

/// An answer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// `empty`, `cut_off`, `looping`, `too_long` (the question), `filtered` or `failed`.
    pub reason: &'static str,
    /// The finding, for a human reader.
    pub detail: String,
}

/// Sends `answerer` the `request` of each row, and makes the row's `outcome` of its answer, which is
/// without white space around it. `stage` is the name of the stage that asks.
///
/// Answers may be paid for, so those before a failure are kept.
pub(crate) fn ask<R, T>(
    stage: &'static str,
    answerer: &dyn Answerer,
    rows: &[R],
    request: impl Fn(&R) -> Request,
    outcome: impl Fn(&R, Result<String, Unusable>) -> Outcome<T>,
) -> Partial<T> {
    let requests: Vec<Request> = rows.iter().map(request).collect();
    let Attempts { results, stopped } = answerer.attempt(&requests);
    // A short list of answers must not pass for a short list of rows.
    if results.len() != rows.len() {
        let (rows, outcomes) = (rows.len(), results.len());
        return Partial::stopped(StageError::OutcomeCount {
            stage,
            rows,
            outcomes,
        });
    }
    let outcomes = rows.iter().zip(results).map(|(row, result)| {
        let answer = match result? {
            Ok(answer) => usable(&answer),
            Err(detail) => Err(Unusable {
                reason: "failed",
                detail,
            }),
        };
        Some(outcome(row, answer))
    });
    Partial {
        outcomes: outcomes.collect(),
        stopped: stopped.map(StageError::from),
    }
}

/// The text of an answer.
fn usable(answer: &Answer) -> Result<String, Unusable> {
    let text = answer.text.trim();
    match fault(text, answer) {
        None => Ok(text.to_owned()),
        Some((reason, why)) => {
            let detail = if text.is_empty() {
                why
            } else {
                format!("{why}: {text}")
            };
            Err(Unusable { reason, detail })
        }
    }
}

fn fault(text: &str, answer: &Answer) -> Option<(&'static str, String)> {
    if text.is_empty() {
        return Some(match (answer.finish_reason, answer.tokens) {
            (FinishReason::Length, 0) => (
                "too_long",
                "the question does not fit the model's context".into(),
            ),
            (FinishReason::Length, tokens) => (
                "cut_off",
                format!("cut off after {tokens} tokens of reasoning; raise max_new_tokens"),
            ),
            (FinishReason::Filtered, _) => filtered(),
            _ => ("empty", "the answer is empty".into()),
        });
    }
    // A loop runs into the token budget, too, and is the better explanation.
    if let Some(found) = repetition::looping(text) {
        return Some(("looping", format!("says {found}")));
    }
    match answer.finish_reason {
        FinishReason::Stop | FinishReason::Failed => None,
        FinishReason::Length => {
            Some(("cut_off", format!("cut off after {} tokens", answer.tokens)))
        }
        FinishReason::Filtered => Some(filtered()),
    }
}

fn filtered() -> (&'static str, String) {
    ("filtered", "cut by the server's content filter".into())
}
