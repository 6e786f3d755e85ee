//! Runs the tasks over the material and writes `results.json` and the samples.
//!
//! Documents are evaluated in fixed consecutive batches. Each batch is appended to the samples'
//! file at once, and each finished task is added to `results.json`. A killed evaluation resumes at
//! the interrupted batch and ends with the same files; results of an unchanged model on unchanged
//! material are reused. If only the scoring has changed, saved outputs are scored again.

mod config;
mod earlier;
mod error;
mod learned;
mod plan;
mod rescoring;

use std::path::Path;
use std::time::Instant;

use artefacts::{ArtefactError, Key, Lock, now};
use corpus::language::Language;
use corpus::progress::{Progress, Silent};

use crate::material::EvaluationMaterial;
use crate::metric::SegmentStatistics;
use crate::results::{self, MeasuredScore, Results, TaskRecord};
use crate::row_file::{self, Finished, RowFile};
use crate::significance::{self, Resampling};
use crate::task::{Sample, Subject, Task};

use earlier::{Earlier, Known};
use learned::Learned;
use plan::{Planned, planned, tasks};

pub use config::EvaluateConfig;
pub use error::EvaluateError;
pub use rescoring::Absent;

/// Evaluates `subject` on `material`; `results.json` and `samples_<task>.jsonl` go to `folder`.
///
/// Tasks: off-target answers per language of questions, translation in both directions per pair
/// of languages, perplexity per language of text, the loss of reference answers per language
/// and of held-out examples per subset, and the benchmarks. At the end, the learned metric of the
/// subject, if it has one, scores all translations.
pub fn evaluate(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Results, EvaluateError> {
    work(subject, source, material, config, folder, progress, true)
}

/// As [`evaluate`], but without the scores of the learned metric, so that the model can be dropped
/// before the metric is loaded: [`evaluate`] then adds them and does not ask the model again. Until
/// then, the results are not complete.
pub fn outputs(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Results, EvaluateError> {
    work(subject, source, material, config, folder, progress, false)
}

fn work(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
    progress: &dyn Progress,
    scores_translations: bool,
) -> Result<Results, EvaluateError> {
    std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    let own = tasks(subject, source, material, config)?;
    let learned = subject.metric.map(Learned::new);
    let planned = planned(&own, subject, learned.as_ref(), material, config, progress)?;
    for line in &material.skipped {
        progress.note(&format!(
            "{}:{}: {}",
            line.path.display(),
            line.line,
            line.reason
        ));
    }

    let earlier = Earlier::read(folder);
    let mut results = Results::new(
        source,
        subject.answerer.identity(),
        subject.identifier.identity(),
        config.batch_size,
        now(),
    );
    results.xldistill.metric = learned.as_ref().map(|learned| learned.identity().clone());
    results.xldistill.skipped_lines = material.skipped.clone();
    let (mut unfinished, mut unscored) = (Vec::new(), Vec::new());
    for planned in planned {
        let path = folder.join(Results::samples_file(&planned.task.name()));
        match earlier.known(&planned, &path)? {
            Some(Known::Scored(record)) => {
                // The record is written before the samples are moved.
                row_file::clear(&path)?;
                results.insert(&planned.task.name(), planned.entry, record);
            }
            Some(Known::Outputs(record)) => unscored.push((planned, record, path)),
            None => unfinished.push((planned, path)),
        }
    }
    // Nothing to do: the file must not change by a byte.
    if unfinished.is_empty()
        && unscored.is_empty()
        && let Some(last) = earlier.own(folder)
        && last.xldistill.complete
        && last.xldistill.tasks == results.xldistill.tasks
    {
        return Ok(last.clone());
    }
    for (planned, record, _) in &unscored {
        results.insert(&planned.task.name(), planned.entry.clone(), record.clone());
    }
    for (planned, path) in unfinished {
        let saved = rescoring::scored_again(&planned, subject, config.batch_size, &earlier);
        let record = match saved {
            Some((rows, seconds)) => {
                let hash = row_file::write(&path, &rows)?;
                let finished = Finished {
                    rows,
                    seconds,
                    hash,
                };
                record(&planned, &finished, config)
            }
            None => run(&planned, subject, config, &path, progress)?,
        };
        results.insert(&planned.task.name(), planned.entry.clone(), record.clone());
        if planned.learned.is_some() {
            unscored.push((planned, record, path));
        }
        results.end_time = now();
        write(folder, &results)?;
    }
    let is_complete = scores_translations || unscored.is_empty();
    for (planned, record, path) in unscored {
        let Some(scoring) = planned.learned.filter(|_| scores_translations) else {
            continue;
        };
        let (metric, direction, resampling) =
            (scoring.metric, scoring.direction, &config.resampling);
        let scored = metric.score(&planned, direction, record, resampling, &path, progress)?;
        results.insert(&planned.task.name(), planned.entry, scored.record);
        results.end_time = now();
        write(folder, &results)?;
        scored.samples.finish()?;
    }
    results.xldistill.complete = is_complete;
    write(folder, &results)?;
    Ok(results)
}

/// Fails unless the outputs in `folder` can be scored again for every task, so that a rescoring that
/// cannot end does not begin.
pub fn require_outputs(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
) -> Result<(), EvaluateError> {
    let own = tasks(subject, source, material, config)?;
    let earlier = Earlier::read(folder);
    for planned in planned(&own, subject, None, material, config, &Silent)? {
        let scored = || rescoring::scored_again(&planned, subject, config.batch_size, &earlier);
        if !earlier.has_outputs(&planned) && scored().is_none() {
            return Err(EvaluateError::NotSaved {
                task: planned.task.name(),
                why: rescoring::fault(&planned, &earlier),
            });
        }
    }
    Ok(())
}

/// The key of the results of [`evaluate`]: [`Results::key`] once they are complete.
pub fn key(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
) -> Result<Key, EvaluateError> {
    let own = tasks(subject, source, material, config)?;
    let learned = subject.metric.map(Learned::new);
    let planned = planned(&own, subject, learned.as_ref(), material, config, &Silent)?;
    let keys: Vec<_> = planned
        .iter()
        .map(|planned| (planned.task.name(), planned.key()))
        .collect();
    let keys = keys.iter();
    Ok(results::key(
        keys.map(|(name, key)| (name.clone(), key.as_str())),
    ))
}

/// Evaluates every document of a task, or resumes an interrupted evaluation.
fn run(
    planned: &Planned<'_>,
    subject: &Subject<'_>,
    config: &EvaluateConfig,
    path: &Path,
    progress: &dyn Progress,
) -> Result<TaskRecord, EvaluateError> {
    let task = planned.task;
    let name = task.name();
    let started = Instant::now();
    let batch = config.batch_size.max(1);
    let mut file = RowFile::<Sample>::open(path, &planned.outputs, batch)?;
    progress.begin(&task.presentation().title, Some(task.len() as u64));
    progress.already_done(file.rows().len() as u64);
    while file.rows().len() < task.len() {
        let start = file.rows().len();
        let range = start..(start + batch).min(task.len());
        let samples = task
            .evaluate(subject, range)
            .map_err(|source| EvaluateError::Engine {
                task: name.clone(),
                source,
            })?;
        progress.advance(samples.len() as u64);
        file.append(samples, started.elapsed().as_secs_f64())?;
    }
    progress.end();
    Ok(record(planned, &file.finish()?, config))
}

/// The scores of all samples of a task, but for those of a learned metric.
fn record(
    planned: &Planned<'_>,
    samples: &Finished<Sample>,
    config: &EvaluateConfig,
) -> TaskRecord {
    let task = planned.task;
    TaskRecord {
        key: planned.outputs.clone(),
        language: task.language(),
        presentation: task.presentation(),
        seconds: samples.seconds,
        measures: measure(task, &samples.rows, &config.resampling),
        histogram: task.histogram(&samples.rows),
        samples_hash: samples.hash.clone(),
        outputs: None,
    }
}

fn measure(task: &dyn Task, samples: &[Sample], resampling: &Resampling) -> Vec<MeasuredScore> {
    task.measures()
        .into_iter()
        .map(|measure| {
            let statistics = statistics(samples, &measure.key);
            MeasuredScore {
                score: measure.aggregate.score(&statistics.sums()),
                confidence: significance::confidence(&statistics, &measure.aggregate, resampling),
                measure,
            }
        })
        .collect()
}

/// The samples of a finished task; empty if there are none.
pub fn read_samples(path: &Path) -> Vec<Sample> {
    row_file::read(path)
}

/// The statistics of one measure over all documents.
pub(crate) fn statistics(samples: &[Sample], key: &str) -> SegmentStatistics {
    let rows = samples
        .iter()
        .map(|sample| sample.statistics.get(key).cloned().unwrap_or_default());
    SegmentStatistics::from_rows(rows.collect())
}

fn write(folder: &Path, results: &Results) -> Result<(), EvaluateError> {
    let mut json = serde_json::to_vec_pretty(results).expect("results are plain data");
    json.push(b'\n');
    artefacts::write(&folder.join(Results::FILE), &json)?;
    Ok(())
}
