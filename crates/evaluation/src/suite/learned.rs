//! Scores of a learned metric such as COMET, added to the samples of finished translations.
//!
//! The metric comes after all outputs, so that its weights need not be in memory beside the
//! model's. Outputs are kept by a key without the metric: with another metric, or one for the
//! first time, they are scored without asking the model again.

use std::path::Path;
use std::time::Instant;

use artefacts::Key;
use corpus::progress::Progress;
use corpus::seam::{EngineError, EngineIdentity, ScoredTranslation, TranslationMetric};
use serde_json::Value;

use super::EvaluateError;
use super::plan::Planned;
use crate::metric::{Aggregate, IMPLEMENTATION, Signature};
use crate::results::{MeasuredScore, Outputs, TaskRecord};
use crate::row_file::RowFile;
use crate::significance::{self, Resampling};
use crate::task::{Direction, Measure, Presentation, SENTENCE, SHARE, Sample};

/// Number of translations scored between two writes.
const BATCH: usize = 64;

/// Factor on the metric's scores, by which they are printed like BLEU and chrF.
const SCALE: f64 = 100.0;

/// A learned metric and its measure.
pub struct Learned<'m> {
    metric: &'m dyn TranslationMetric,
    identity: EngineIdentity,
    measure: Measure,
}

/// Translations with their scores, whose samples are not in their place yet.
pub struct Scored {
    /// The record.
    pub record: TaskRecord,
    /// The samples. [`RowFile::finish`] moves them into their place; the record must have been
    /// written before, since it says which of the two versions of the samples is intact.
    pub samples: RowFile<Sample>,
}

impl<'m> Learned<'m> {
    /// The measure of a metric: `comet` if it reads references, otherwise `cometkiwi`.
    pub fn new(metric: &'m dyn TranslationMetric) -> Self {
        let identity = metric.identity();
        let (key, name, signature) = match metric.compares_with_references() {
            true => ("comet", "COMET", Signature::new(1)),
            false => {
                let name = "COMET, without references";
                ("cometkiwi", name, Signature::without_references())
            }
        };
        let signature = signature
            .with(
                "model",
                format!("{}@{}", identity.engine, identity.revision),
            )
            .with("settings", &identity.parameters)
            .with("scale", SCALE)
            .with("impl", IMPLEMENTATION);
        Self {
            measure: Measure {
                key: key.to_owned(),
                name: name.to_owned(),
                signature: signature.to_string(),
                aggregate: Aggregate::Ratio { scale: SCALE },
                higher_is_better: Some(true),
                unit: String::new(),
            },
            metric,
            identity,
        }
    }

    /// The metric.
    pub fn identity(&self) -> &EngineIdentity {
        &self.identity
    }

    /// Hash of everything that determines the scores of outputs with the key `outputs`.
    pub fn key(&self, outputs: &str) -> String {
        Key::of(&("scored", outputs, self.identity.key())).to_string()
    }

    /// `presentation` with a table of this measure in grids.
    pub fn presented(&self, mut presentation: Presentation) -> Presentation {
        if let Some(series) = &mut presentation.series {
            series.measures.push(self.measure.key.clone());
        }
        presentation
    }

    /// Scores the translations of a task, whose `outputs` are at `path`, or goes on with an
    /// interrupted scoring.
    pub fn score(
        &self,
        planned: &Planned<'_>,
        direction: Direction,
        outputs: TaskRecord,
        resampling: &Resampling,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<Scored, EvaluateError> {
        let name = planned.task.name();
        let failed = |source| EvaluateError::Engine {
            task: name.clone(),
            source,
        };
        let started = Instant::now();
        let written = super::read_samples(path);
        let (key, own) = (planned.key(), planned.task.measures());
        let own: Vec<String> = own.into_iter().map(|own| own.key).collect();
        let mut samples = RowFile::<Sample>::open(path, &key, BATCH)?;
        progress.begin(
            &format!("{}, {}", outputs.presentation.title, self.measure.name),
            Some(written.len() as u64),
        );
        progress.already_done(samples.rows().len() as u64);
        while samples.rows().len() < written.len() {
            let start = samples.rows().len();
            let batch = &written[start..(start + BATCH).min(written.len())];
            let scored = self.batch(batch, direction, &own).map_err(failed)?;
            progress.advance(scored.len() as u64);
            samples.append(scored, started.elapsed().as_secs_f64())?;
        }
        progress.end();
        let statistics = super::statistics(samples.rows(), &self.measure.key);
        let aggregate = &self.measure.aggregate;
        let score = MeasuredScore {
            score: aggregate.score(&statistics.sums()),
            confidence: significance::confidence(&statistics, aggregate, resampling),
            measure: self.measure.clone(),
        };
        let mut measures = outputs.measures.clone();
        // After the metrics, before the shares of unusable answers.
        let shares = measures.iter().position(|one| one.measure.unit == SHARE);
        measures.insert(shares.unwrap_or(measures.len()), score);
        let record = TaskRecord {
            key,
            presentation: planned.presentation(),
            seconds: outputs.seconds + samples.seconds(),
            measures,
            samples_hash: samples.hash(),
            outputs: Some(Outputs {
                key: outputs.key.clone(),
                samples_hash: outputs.samples_hash.clone(),
                seconds: outputs.seconds,
            }),
            ..outputs
        };
        Ok(Scored { record, samples })
    }

    /// `samples` with their scores, and without those of another metric. `own` are the keys of the
    /// task's own measures.
    fn batch(
        &self,
        samples: &[Sample],
        direction: Direction,
        own: &[String],
    ) -> Result<Vec<Sample>, EngineError> {
        let translations: Vec<ScoredTranslation<'_>> = samples
            .iter()
            .map(|sample| ScoredTranslation {
                source: sentence(sample),
                translation: sample.filtered_resps.first().map_or("", String::as_str),
                reference: &sample.target,
            })
            .collect();
        let Direction { from, to } = direction;
        let scores = self.metric.score(&translations, from, to)?;
        if scores.len() != samples.len() {
            let message = format!(
                "returned {} scores for {} texts",
                scores.len(),
                samples.len()
            );
            return Err(EngineError::new(&self.identity.engine, message));
        }
        let with_score = |(sample, score): (&Sample, f64)| {
            let mut sample = sample.clone();
            sample.statistics.retain(|key, _| own.contains(key));
            let statistics = vec![score, 1.0];
            sample
                .statistics
                .insert(self.measure.key.clone(), statistics);
            sample
        };
        Ok(samples.iter().zip(scores).map(with_score).collect())
    }
}

/// The sentence that was translated.
fn sentence(sample: &Sample) -> &str {
    let sentence = sample.doc.get(SENTENCE).and_then(Value::as_str);
    sentence.unwrap_or_default()
}
