//! Answers before and after: verdicts, and samples side by side.

use std::collections::BTreeMap;

use corpus::language::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Evaluations;
use crate::results::TaskRecord;
use crate::task::Sample;

/// Number of samples of a task.
const SHOWN: usize = 6;

/// Verdicts on the answers to questions in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageVerdicts {
    /// Language of the questions.
    pub language: Language,
    /// Title of the task.
    pub title: String,
    /// Number of questions.
    pub questions: usize,
    /// Shares of the verdicts before, in per cent, by key.
    pub before: Option<BTreeMap<String, f64>>,
    /// Shares after.
    pub after: Option<BTreeMap<String, f64>>,
    /// Wrong languages of off-target answers before, by code.
    pub wrong_before: BTreeMap<String, u64>,
    /// The same, after.
    pub wrong_after: BTreeMap<String, u64>,
}

/// One question with the answers before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleAnswers {
    /// The task.
    pub task: String,
    /// Its title.
    pub title: String,
    /// The language of the expected answer.
    pub language: Language,
    /// The question.
    pub question: String,
    /// The reference answer.
    pub reference: String,
    /// The answer before.
    pub before: Option<String>,
    /// The answer after.
    pub after: Option<String>,
    /// Verdict on `before`, by key; `None` for translations.
    pub before_verdict: Option<String>,
    /// Verdict on `after`.
    pub after_verdict: Option<String>,
}

/// Shares of the verdicts, for tasks that have verdicts.
pub(super) fn verdicts(evaluations: &Evaluations<'_>) -> Vec<LanguageVerdicts> {
    let shares = |record: &TaskRecord| {
        let measures = record.measures.iter();
        let shares = &record.presentation.shares;
        measures
            .filter(|score| shares.contains(&score.measure.key))
            .map(|score| (score.measure.key.clone(), score.score))
            .collect()
    };
    let wrong = |record: Option<&TaskRecord>| {
        record.map_or_else(BTreeMap::new, |record| record.histogram.clone())
    };
    let tasks = evaluations.tasks().into_iter().filter_map(|task| {
        let (old, new) = evaluations.records(&task);
        let present = new.or(old)?;
        (!present.presentation.shares.is_empty()).then(|| LanguageVerdicts {
            language: present.language,
            title: present.presentation.title.clone(),
            questions: evaluations.documents(&task),
            wrong_before: wrong(old),
            wrong_after: wrong(new),
            before: old.map(shares),
            after: new.map(shares),
        })
    });
    tasks.collect()
}

/// Evenly spaced documents of the tasks with answers, so that none is picked by hand.
pub(super) fn side_by_side(evaluations: &Evaluations<'_>) -> Vec<SampleAnswers> {
    let mut shown = Vec::new();
    for task in evaluations.tasks() {
        let (old, new) = evaluations.records(&task);
        let Some(record) = new.or(old) else { continue };
        let Some(asked) = &record.presentation.asked else {
            continue;
        };
        let (old, new) = evaluations.samples(&task);
        let documents = old.len().max(new.len());
        for number in 0..documents.min(SHOWN) {
            let doc = number * documents / documents.min(SHOWN);
            let find =
                |samples: &[Sample]| samples.iter().find(|sample| sample.doc_id == doc).cloned();
            let (old, new) = (find(&old), find(&new));
            let Some(either) = new.as_ref().or(old.as_ref()) else {
                continue;
            };
            let question = either.doc.get(asked).and_then(Value::as_str);
            shown.push(SampleAnswers {
                task: task.clone(),
                title: record.presentation.title.clone(),
                language: record.language,
                question: question.unwrap_or_default().to_owned(),
                reference: either.target.clone(),
                before: old.as_ref().and_then(said),
                after: new.as_ref().and_then(said),
                before_verdict: old.as_ref().and_then(verdict),
                after_verdict: new.as_ref().and_then(verdict),
            });
        }
    }
    shown
}

fn said(sample: &Sample) -> Option<String> {
    Some(sample.resps.first()?.first()?.trim().to_owned())
}

fn verdict(sample: &Sample) -> Option<String> {
    sample
        .observed
        .get("verdict")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
