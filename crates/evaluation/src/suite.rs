//! Runs the tasks over the material and writes `results.json` and the samples.
//!
//! Documents are evaluated in fixed consecutive batches. Each batch is appended to the samples'
//! file at once, and each finished task is added to `results.json`. A killed evaluation resumes at
//! the interrupted batch and ends with the same files; results of an unchanged model on unchanged
//! material are reused. If only the scoring has changed, saved outputs are scored again.

mod config;
mod error;
mod rescoring;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use artefacts::{ArtefactError, Key, KeyBuilder, Lock, now};
use corpus::language::Language;
use corpus::progress::{Progress, Silent};
use serde_json::json;

use crate::material::EvaluationMaterial;
use crate::metric::SegmentStatistics;
use crate::metric::bleu::Bleu;
use crate::metric::tokenizer::Tokenizer;
use crate::results::{self, MeasuredScore, Results, TaskEntry, TaskRecord};
use crate::row_file::{self, Finished, RowFile};
use crate::rows::Pairs;
use crate::significance::{self, Resampling};
use crate::task::held_out_loss::HeldOutLoss;
use crate::task::off_target::OffTarget;
use crate::task::perplexity::Perplexity;
use crate::task::translation::translation;
use crate::task::{Sample, Subject, Task};

pub use config::EvaluateConfig;
pub use error::EvaluateError;
pub use rescoring::Absent;

/// Evaluates `subject` on `material`; `results.json` and `samples_<task>.jsonl` go to `folder`.
///
/// Tasks: off-target answers per language of questions, translation in both directions per pair
/// of languages, perplexity per language of text, the loss of reference answers per language
/// and of held-out examples per subset, and the benchmarks.
pub fn evaluate(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Results, EvaluateError> {
    std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    let own = tasks(subject, source, material, config)?;
    let planned = planned(&own, subject, material, config, progress)?;
    for line in &material.skipped {
        progress.note(&format!(
            "{}:{}: {}",
            line.path.display(),
            line.line,
            line.reason
        ));
    }

    let earlier = earlier(folder);
    let mut results = Results::new(
        source,
        subject.answerer.identity(),
        subject.identifier.identity(),
        config.batch_size,
        now(),
    );
    results.xldistill.skipped_lines = material.skipped.clone();
    let mut unfinished = Vec::new();
    for Planned { task, entry, key } in planned {
        let name = task.name();
        let path = folder.join(Results::samples_file(&name));
        match known(&earlier, &name, &key, &path)? {
            Some(known) => {
                let presentation = task.presentation();
                let record = TaskRecord {
                    presentation,
                    ..known
                };
                results.insert(&name, entry, record);
            }
            None => unfinished.push((task, entry, key, path)),
        }
    }
    // Nothing to do: the file must not change by a byte.
    let last = earlier.iter().find(|(place, _)| place == folder);
    if let Some((_, last)) = last
        && unfinished.is_empty()
        && last.xldistill.complete
        && last.xldistill.tasks == results.xldistill.tasks
    {
        return Ok(last.clone());
    }
    for (task, entry, key, path) in unfinished {
        let saved = rescoring::scored_again(task, &key, subject, config.batch_size, &earlier);
        let record = match saved {
            Some((samples, seconds)) => {
                let samples_hash = row_file::write(&path, &samples)?;
                record(task, key, &samples, samples_hash, seconds, config)
            }
            None => run(task, subject, config, key, &path, progress)?,
        };
        results.insert(&task.name(), entry, record);
        results.end_time = now();
        write(folder, &results)?;
    }
    results.xldistill.complete = true;
    write(folder, &results)?;
    Ok(results)
}

/// The key of the results of [`evaluate`]: [`Results::key`] once they are complete.
pub fn key(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
) -> Result<Key, EvaluateError> {
    let own = tasks(subject, source, material, config)?;
    let planned = planned(&own, subject, material, config, &Silent)?;
    let keys = planned.iter();
    Ok(results::key(keys.map(|planned| {
        (planned.task.name(), planned.key.as_str())
    })))
}

/// A task that will be evaluated.
struct Planned<'t> {
    task: &'t dyn Task,
    entry: TaskEntry,
    key: String,
}

/// The `own` tasks and the benchmarks of `material`, except those that need a scorer if there is
/// none.
fn planned<'t>(
    own: &'t [Box<dyn Task + 't>],
    subject: &Subject<'_>,
    material: &'t EvaluationMaterial,
    config: &EvaluateConfig,
    progress: &dyn Progress,
) -> Result<Vec<Planned<'t>>, EvaluateError> {
    let benchmarks = || {
        let tasks = material.benchmarks.iter();
        tasks.map(|task| -> &'t dyn Task { task.as_ref() })
    };
    let own = own.iter().map(|task| -> &'t dyn Task { task.as_ref() });
    let unscored = |task: &dyn Task| task.needs_scorer() && subject.scorer.is_none();
    // The config names the benchmark, so leaving it out would be wrong.
    if let Some(task) = benchmarks().find(|task| unscored(*task)) {
        return Err(EvaluateError::CannotScore {
            task: task.name(),
            engine: subject.answerer.identity().engine,
        });
    }
    let (mut names, mut planned) = (BTreeSet::new(), Vec::new());
    for task in own.chain(benchmarks()) {
        let name = task.name();
        if !names.insert(name.clone()) {
            return Err(EvaluateError::Repeated { task: name });
        }
        if unscored(task) {
            progress.note(&format!("{name}: left out, the model cannot score text"));
            continue;
        }
        let (hash, key) = keys(task, subject, config);
        let entry = TaskEntry {
            configuration: task.configuration(),
            version: task.version(),
            shots: task.shots(),
            documents: task.len(),
            hash,
        };
        planned.push(Planned { task, entry, key });
    }
    match names.is_empty() {
        true => Err(EvaluateError::NoMaterial),
        false => Ok(planned),
    }
}

/// Results in `folder`, and in the folders that a run with a store had in its place before.
fn earlier(folder: &Path) -> Vec<(PathBuf, Results)> {
    let folders = std::iter::once(folder.to_owned()).chain(artefacts::earlier(folder));
    let read = |folder: PathBuf| Results::read(&folder).map(|results| (folder, results));
    folders.filter_map(read).collect()
}

/// The scores of the finished task `name` with this `key`. Its samples are intact at `path`, or
/// copied there from an earlier folder.
fn known(
    earlier: &[(PathBuf, Results)],
    name: &str,
    key: &str,
    path: &Path,
) -> Result<Option<TaskRecord>, ArtefactError> {
    for (folder, results) in earlier {
        let record = results.xldistill.tasks.get(name);
        let Some(record) = record.filter(|record| record.key == key) else {
            continue;
        };
        let samples = folder.join(Results::samples_file(name));
        if artefacts::hash_file(&samples).is_ok_and(|hash| hash == record.samples_hash) {
            if samples != path {
                let content = std::fs::read(&samples);
                let content = content.map_err(ArtefactError::io("read", &samples))?;
                artefacts::write(path, &content)?;
            }
            return Ok(Some(record.clone()));
        }
    }
    Ok(None)
}

/// The tasks for which there is material, in the order of a report.
fn tasks<'a>(
    subject: &Subject<'a>,
    source: Language,
    material: &'a EvaluationMaterial,
    config: &EvaluateConfig,
) -> Result<Vec<Box<dyn Task + 'a>>, EvaluateError> {
    let mut tasks: Vec<Box<dyn Task + 'a>> = Vec::new();
    for (&language, questions) in &material.questions {
        let identifier = subject.identifier;
        tasks.push(Box::new(OffTarget::new(
            language,
            questions,
            config.copied_share,
            identifier,
        )));
    }
    for Pairs {
        source,
        target,
        pairs,
    } in &material.pairs
    {
        let forth: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(one, other)| (one.as_str(), other.as_str()))
            .collect();
        let back = forth.iter().map(|&(one, other)| (other, one)).collect();
        for (from, to, pairs) in [(*source, *target, forth), (*target, *source, back)] {
            let model = config.bleu_tokenizer_model.as_deref();
            let bleu = Bleu::new(Tokenizer::of_language(&config.bleu_tokenizer, model, to)?);
            let part = config.translation_answer;
            tasks.push(Box::new(translation(from, to, &pairs, part, bleu)));
        }
    }
    for (&language, passages) in &material.texts {
        tasks.push(Box::new(Perplexity::new(language, passages)));
    }
    for (&language, questions) in &material.questions {
        tasks.push(Box::new(HeldOutLoss::of_questions(language, questions)));
    }
    for task in HeldOutLoss::of_examples(source, &material.examples) {
        tasks.push(Box::new(task));
    }
    tasks.retain(|task| !task.is_empty());
    Ok(tasks)
}

/// Evaluates every document of a task, or resumes an interrupted evaluation.
fn run(
    task: &dyn Task,
    subject: &Subject<'_>,
    config: &EvaluateConfig,
    key: String,
    path: &Path,
    progress: &dyn Progress,
) -> Result<TaskRecord, EvaluateError> {
    let name = task.name();
    let started = Instant::now();
    let batch = config.batch_size.max(1);
    let mut file = RowFile::<Sample>::open(path, &key, batch)?;
    progress.begin(&name, Some(task.len() as u64));
    progress.advance(file.rows().len() as u64);
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
    let Finished {
        rows,
        seconds,
        hash,
    } = file.finish()?;
    Ok(record(task, key, &rows, hash, seconds, config))
}

/// The scores of all `samples` of a task, whose file has the hash `samples_hash`.
fn record(
    task: &dyn Task,
    key: String,
    samples: &[Sample],
    samples_hash: String,
    seconds: f64,
    config: &EvaluateConfig,
) -> TaskRecord {
    TaskRecord {
        key,
        language: task.language(),
        presentation: task.presentation(),
        seconds,
        measures: measure(task, samples, &config.resampling),
        histogram: task.histogram(samples),
        samples_hash,
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

/// Hashes of a task: without the model, and with everything that determines its scores.
fn keys(task: &dyn Task, subject: &Subject<'_>, config: &EvaluateConfig) -> (String, String) {
    let mut key = KeyBuilder::default().with(&json!([
        task.name(),
        task.version(),
        task.configuration(),
        config.resampling
    ]));
    for index in 0..task.len() {
        key.add(&task.document(index));
    }
    let hash = key.finish();
    key.add(&subject.answerer.identity().key());
    key.add(&config.batch_size);
    if task.needs_identifier() {
        key.add(&subject.identifier.identity().key());
    }
    (hash.to_string(), key.finish().to_string())
}

fn write(folder: &Path, results: &Results) -> Result<(), EvaluateError> {
    let mut json = serde_json::to_vec_pretty(results).expect("results are plain data");
    json.push(b'\n');
    artefacts::write(&folder.join(Results::FILE), &json)?;
    Ok(())
}
