//! Scores before and after, and whether they differ by more than chance.

use corpus::language::Language;
use corpus::record::Subset;
use serde::{Deserialize, Serialize};

use crate::results::{MeasuredScore, Results};
use crate::significance::{Confidence, Resampling, Ties, approximate_randomisation};
use crate::task::Sample;

/// p-value below which a difference counts as more than chance.
pub const LEVEL: f64 = 0.05;
const TRIALS: Resampling = Resampling {
    samples: 10_000,
    seed: 12345,
};

/// What became of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better, and more than chance.
    Better,
    /// Worse, and more than chance.
    Worse,
    /// Changed by more than chance, where neither direction is better.
    Changed,
    /// No difference that could not be chance.
    NoDifference,
}

/// One score before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Name of the measure, e.g. `chrF2++`.
    pub name: String,
    /// The task, e.g. `translation_eng_Latn-por_Latn`.
    pub task: String,
    /// Key of the measure in `results.json`.
    pub key: String,
    /// The language in question.
    pub language: Language,
    /// The model as it was.
    pub before: Option<f64>,
    /// The model that was taught.
    pub after: Option<f64>,
    /// How the score was made.
    pub signature: String,
    /// Unit behind the numbers, e.g. `%`.
    pub unit: String,
    /// `None` where neither is better.
    pub higher_is_better: Option<bool>,
    /// 95 % bootstrap interval of `before`.
    pub before_confidence: Option<Confidence>,
    /// 95 % bootstrap interval of `after`.
    pub after_confidence: Option<Confidence>,
    /// Two-sided p-value of approximate randomisation over the documents; `None` where the two
    /// were not evaluated on the same documents.
    pub p_value: Option<f64>,
    /// What became of it.
    pub verdict: Option<Verdict>,
}

impl ScoreRow {
    /// After less before.
    pub fn difference(&self) -> Option<f64> {
        Some(self.after? - self.before?)
    }

    /// Whether both scores are exactly zero: nothing to show in a table.
    pub fn is_nothing(&self) -> bool {
        self.unit == "%" && self.before.unwrap_or(0.0) == 0.0 && self.after.unwrap_or(0.0) == 0.0
    }

    /// Difference relative to before; `None` where before is 0.
    pub fn relative(&self) -> Option<f64> {
        let before = self.before.filter(|&before| before != 0.0)?;
        Some(self.difference()? / before.abs())
    }
}

/// Pairs the measures of both evaluations; `samples` reads the samples of (`before` or `after`,
/// task).
pub(super) fn gather(
    before: Option<&Results>,
    after: Option<&Results>,
    samples: &dyn Fn(&str, &str) -> Vec<Sample>,
) -> Vec<ScoreRow> {
    let mut tasks: Vec<(usize, bool, &String)> = [before, after]
        .into_iter()
        .flatten()
        .map(|results| &results.xldistill)
        .flat_map(|details| {
            let tasks = details.tasks.iter();
            tasks.map(|(name, record)| (rank(name), record.language == details.source, name))
        })
        .collect();
    tasks.sort();
    tasks.dedup();

    let mut rows = Vec::new();
    for (_, _, task) in tasks {
        let record = |results: Option<&Results>| {
            results
                .and_then(|results| results.xldistill.tasks.get(task))
                .cloned()
        };
        let (old, new) = (record(before), record(after));
        let Some(present) = new.as_ref().or(old.as_ref()) else {
            continue;
        };
        let paired = match (before, after) {
            (Some(before), Some(after)) => {
                before.task_hashes.get(task) == after.task_hashes.get(task)
            }
            _ => false,
        };
        let (old_samples, new_samples) = match paired {
            true => (samples("before", task), samples("after", task)),
            false => (Vec::new(), Vec::new()),
        };
        for measured in &present.measures {
            let find = |record: &Option<crate::results::TaskRecord>| -> Option<MeasuredScore> {
                let measures = &record.as_ref()?.measures;
                measures
                    .iter()
                    .find(|other| other.measure.key == measured.measure.key)
                    .cloned()
            };
            let (old, new) = (find(&old), find(&new));
            rows.push(row(
                task,
                present.language,
                measured,
                old,
                new,
                &old_samples,
                &new_samples,
            ));
        }
    }
    rows
}

/// Tasks in the order of the questions that a reader asks, subsets in the paper's order.
fn rank(task: &str) -> usize {
    let kinds = [
        "off_target_",
        "translation_",
        "perplexity_",
        "held_out_loss_",
    ];
    let Some(kind) = kinds.iter().position(|kind| task.starts_with(kind)) else {
        return usize::MAX;
    };
    let subset = task[kinds[kind].len()..]
        .split('_')
        .next()
        .unwrap_or_default();
    let subset = Subset::ALL.iter().position(|known| known.name() == subset);
    10 * kind + subset.map_or(0, |position| position + 1)
}

fn row(
    task: &str,
    language: Language,
    measured: &MeasuredScore,
    before: Option<MeasuredScore>,
    after: Option<MeasuredScore>,
    old: &[Sample],
    new: &[Sample],
) -> ScoreRow {
    let measure = &measured.measure;
    let statistics = |samples: &[Sample]| crate::suite::statistics(samples, &measure.key);
    let test = (!old.is_empty() && old.len() == new.len()).then(|| {
        approximate_randomisation(
            &statistics(old),
            &statistics(new),
            &measure.aggregate,
            &TRIALS,
            Ties::Counted,
        )
    });
    let verdict = test.map(|test| {
        if test.p_value >= LEVEL {
            return Verdict::NoDifference;
        }
        match measure.higher_is_better {
            None => Verdict::Changed,
            Some(higher) if higher == (test.difference > 0.0) => Verdict::Better,
            Some(_) => Verdict::Worse,
        }
    });
    ScoreRow {
        name: measure.name.clone(),
        task: task.to_owned(),
        key: measure.key.clone(),
        language,
        signature: measure.signature.clone(),
        unit: measure.unit.clone(),
        higher_is_better: measure.higher_is_better,
        before: before.as_ref().map(|score| score.score),
        after: after.as_ref().map(|score| score.score),
        before_confidence: before.map(|score| score.confidence),
        after_confidence: after.map(|score| score.confidence),
        p_value: test.map(|test| test.p_value),
        verdict,
    }
}
