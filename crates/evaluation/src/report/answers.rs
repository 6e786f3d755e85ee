//! Answers before and after: what became of them, and some of them side by side.

use std::collections::BTreeMap;

use corpus::language::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::results::{Results, TaskRecord};
use crate::task::Sample;
use crate::task::off_target::Verdict;

/// Answers shown per task.
const SHOWN: usize = 6;

/// What became of the answers to questions in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageVerdicts {
    /// Language of the questions.
    pub language: Language,
    /// Number of questions.
    pub questions: usize,
    /// Shares of the verdicts in per cent, by key, before.
    pub before: Option<BTreeMap<String, f64>>,
    /// The same, after.
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
    /// The language of the answer that is wanted.
    pub language: Language,
    /// What was asked.
    pub question: String,
    /// The reference answer.
    pub reference: String,
    /// What the model said before.
    pub before: Option<String>,
    /// What it says after.
    pub after: Option<String>,
    /// Verdict on `before`, by key; answers to questions only.
    pub before_verdict: Option<String>,
    /// Verdict on `after`.
    pub after_verdict: Option<String>,
}

/// Shares of the verdicts, from the measures of the off-target tasks.
pub(super) fn verdicts(before: Option<&Results>, after: Option<&Results>) -> Vec<LanguageVerdicts> {
    let record = |results: Option<&Results>, task: &str| -> Option<TaskRecord> {
        results?.xldistill.tasks.get(task).cloned()
    };
    let shares = |record: &TaskRecord| {
        let share = |key: &str| {
            let measures = record.measures.iter();
            Some(
                measures
                    .into_iter()
                    .find(|score| score.measure.key == key)?
                    .score,
            )
        };
        let shares = Verdict::ALL.into_iter();
        shares
            .filter_map(|(_, key, _)| Some((key.to_owned(), share(key)?)))
            .collect()
    };
    tasks(before, after, "off_target_")
        .into_iter()
        .filter_map(|task| {
            let (old, new) = (record(before, &task), record(after, &task));
            let present = new.as_ref().or(old.as_ref())?;
            let counts = after.or(before)?.samples.get(&task)?;
            let wrong = |record: &Option<TaskRecord>| {
                record
                    .as_ref()
                    .map(|record| record.histogram.clone())
                    .unwrap_or_default()
            };
            Some(LanguageVerdicts {
                language: present.language,
                questions: counts.effective,
                wrong_before: wrong(&old),
                wrong_after: wrong(&new),
                before: old.as_ref().map(shares),
                after: new.as_ref().map(shares),
            })
        })
        .collect()
}

/// The tasks of either evaluation whose name begins so, those in the source language last.
fn tasks(before: Option<&Results>, after: Option<&Results>, prefix: &str) -> Vec<String> {
    let mut tasks: Vec<(bool, String)> = [before, after]
        .into_iter()
        .flatten()
        .map(|results| &results.xldistill)
        .flat_map(|details| {
            let named = details
                .tasks
                .iter()
                .filter(|(name, _)| name.starts_with(prefix));
            named.map(|(name, record)| (record.language == details.source, name.clone()))
        })
        .collect();
    tasks.sort();
    tasks.dedup();
    tasks.into_iter().map(|(_, name)| name).collect()
}

/// Evenly spaced documents of the tasks with answers: nobody picked them.
pub(super) fn side_by_side(
    before: Option<&Results>,
    after: Option<&Results>,
    samples: &dyn Fn(&str, &str) -> Vec<Sample>,
) -> Vec<SampleAnswers> {
    let mut shown = Vec::new();
    let answered = ["off_target_", "translation_"].map(|prefix| tasks(before, after, prefix));
    for task in answered.into_iter().flatten() {
        let language = [after, before]
            .into_iter()
            .flatten()
            .find_map(|results| Some(results.xldistill.tasks.get(&task)?.language));
        let (Some(language), old, new) =
            (language, samples("before", &task), samples("after", &task))
        else {
            continue;
        };
        let documents = old.len().max(new.len());
        for number in 0..documents.min(SHOWN) {
            let doc = number * documents / documents.min(SHOWN);
            let find =
                |samples: &[Sample]| samples.iter().find(|sample| sample.doc_id == doc).cloned();
            let (old, new) = (find(&old), find(&new));
            let Some(either) = new.as_ref().or(old.as_ref()) else {
                continue;
            };
            let asked = ["question", "sentence"]
                .iter()
                .find_map(|key| either.doc.get(*key)?.as_str());
            shown.push(SampleAnswers {
                task: task.clone(),
                language,
                question: asked.unwrap_or_default().to_owned(),
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
