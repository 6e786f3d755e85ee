//! Scores before and after, and whether they differ significantly.

use serde::{Deserialize, Serialize};

use super::Evaluations;
use crate::metric::SegmentStatistics;
use crate::results::{MeasuredScore, TaskRecord};
use crate::significance::{Confidence, Exchanges, PairedTest, Resampling, Ties};
use crate::task::{Measure, SHARE, Sample};

/// p-value below which a difference is significant.
pub const LEVEL: f64 = 0.05;

/// BLEU's tokenizer that need not be said.
const USUAL_TOKENIZER: &str = "13a";

/// Verdict on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Significantly better.
    Better,
    /// Significantly worse.
    Worse,
    /// Significantly different, if neither direction is better.
    Changed,
    /// Not significant.
    NoDifference,
}

impl Verdict {
    /// The verdict of a paired test.
    pub(super) fn of(test: &PairedTest, higher_is_better: Option<bool>) -> Self {
        if test.p_value >= LEVEL {
            return Verdict::NoDifference;
        }
        match higher_is_better {
            None => Verdict::Changed,
            Some(higher) if higher == (test.difference > 0.0) => Verdict::Better,
            Some(_) => Verdict::Worse,
        }
    }
}

/// A score before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Name of the measure, e.g. `chrF2++`.
    pub name: String,
    /// The task, e.g. `translation_eng_Latn-por_Latn`.
    pub task: String,
    /// Key of the measure in `results.json`.
    pub key: String,
    /// Heading of the row.
    pub group: String,
    /// Name of the row under its heading.
    pub title: String,
    /// Name of the score, if it is a headline score.
    pub headline: Option<String>,
    /// Code of the language that is evaluated; FLORES-200's, if that has the language.
    pub language: String,
    /// The system that was scored, if several were compared on a test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Score before; of a stack, that of the LLM on the same rows.
    pub before: Option<f64>,
    /// Score after; that of the system.
    pub after: Option<f64>,
    /// Signature of the score.
    pub signature: String,
    /// Unit, e.g. `%`.
    pub unit: String,
    /// `None` if neither is better.
    pub higher_is_better: Option<bool>,
    /// 95 % bootstrap interval of `before`.
    pub before_confidence: Option<Confidence>,
    /// 95 % bootstrap interval of `after`.
    pub after_confidence: Option<Confidence>,
    /// Two-sided p-value of approximate randomisation over the documents; `None` if the documents
    /// differ.
    pub p_value: Option<f64>,
    /// The verdict.
    pub verdict: Option<Verdict>,
}

impl ScoreRow {
    /// After minus before.
    pub fn difference(&self) -> Option<f64> {
        Some(self.after? - self.before?)
    }

    /// Its name under its heading, with the tokenizer of BLEU, if that is not the usual one.
    pub fn titled(&self) -> String {
        let mut parts = self.signature.split('|');
        let tokenizer = parts.find_map(|part| part.strip_prefix("tok:"));
        match tokenizer.filter(|tokenizer| *tokenizer != USUAL_TOKENIZER) {
            Some(tokenizer) => format!("{} (tok:{tokenizer})", self.title),
            None => self.title.clone(),
        }
    }

    /// Whether the score can be reported with its signature: those of metrics, which compare with
    /// references.
    pub fn has_references(&self) -> bool {
        self.signature.starts_with("nrefs:")
    }

    /// Whether both scores are exactly zero, which a table leaves out.
    pub fn is_nothing(&self) -> bool {
        ["%", SHARE].contains(&self.unit.as_str())
            && self.before.unwrap_or(0.0) == 0.0
            && self.after.unwrap_or(0.0) == 0.0
    }

    /// Difference relative to `before`, of perplexities and losses. `None` for shares and metrics of
    /// answers, whose changes are told in points: COMET's scale has no zero that means anything.
    pub fn relative(&self) -> Option<f64> {
        let is_loss =
            self.unit.is_empty() && self.higher_is_better == Some(false) && !self.has_references();
        if !is_loss {
            return None;
        }
        let before = self.before.filter(|&before| before != 0.0)?;
        Some(self.difference()? / before.abs())
    }
}

/// The measures of both evaluations in pairs, in the order of their presentation.
pub(super) fn gather(evaluations: &Evaluations<'_>) -> Vec<ScoreRow> {
    let source = evaluations.source();
    let mut rows = Vec::new();
    for name in evaluations.tasks() {
        let (old, new) = evaluations.records(&name);
        let Some(present) = new.or(old) else {
            continue;
        };
        let samples = evaluations.paired_samples(&name);
        // Drawn once, for the first measure that needs them.
        let mut exchanges = None;
        for measured in &present.measures {
            let measure = &measured.measure;
            // A score from before another scoring stands alone.
            let find = |record: Option<&TaskRecord>| -> Option<MeasuredScore> {
                let mut measures = record?.measures.iter();
                let comparable = |other: &&MeasuredScore| other.measure.is_comparable(measure);
                measures.find(comparable).cloned()
            };
            let (old, new) = (find(old), find(new));
            let samples = samples.as_ref().filter(|_| old.is_some() && new.is_some());
            let test = samples.map(|(old, new)| {
                let statistics =
                    |samples: &[Sample]| crate::suite::statistics(samples, &measure.key);
                test(&statistics(old), &statistics(new), measure, &mut exchanges)
            });
            let is_source = source == Some(present.language);
            rows.push(row(&name, present, is_source, measure, [old, new], test));
        }
    }
    rows
}

fn test(
    old: &SegmentStatistics,
    new: &SegmentStatistics,
    measure: &Measure,
    exchanges: &mut Option<Exchanges>,
) -> PairedTest {
    exchanges
        .get_or_insert_with(|| Exchanges::draw(old.len(), &Resampling::TRIALS))
        .test(old, new, &measure.aggregate, Ties::Counted)
}

fn row(
    task: &str,
    record: &TaskRecord,
    is_source: bool,
    measure: &Measure,
    [before, after]: [Option<MeasuredScore>; 2],
    test: Option<PairedTest>,
) -> ScoreRow {
    let verdict = test.map(|test| Verdict::of(&test, measure.higher_is_better));
    let presentation = &record.presentation;
    let headline = presentation.headline.as_ref();
    let headline = headline
        .filter(|headline| headline.measure == measure.key)
        .filter(|headline| headline.of_source || !is_source);
    ScoreRow {
        name: measure.name.clone(),
        task: task.to_owned(),
        key: measure.key.clone(),
        group: presentation.group.clone(),
        title: presentation.row.clone().unwrap_or(measure.name.clone()),
        headline: headline.map(|headline| headline.label.clone()),
        language: record.language.code().to_owned(),
        system: None,
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
