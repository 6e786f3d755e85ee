//! Runs the tasks over the material and writes `results.json` and the samples.
//!
//! Documents are evaluated in fixed consecutive batches, each batch is appended to the samples'
//! file as soon as it is there, and a finished task is entered in `results.json`: an evaluation
//! that is killed goes on at the batch where it was and ends with the same files, and an
//! evaluation of an unchanged model on unchanged material is read back instead of repeated.

mod config;
mod error;
mod samples;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use corpus::language::Language;
use corpus::progress::Progress;
use corpus::seam::EngineIdentity;
use serde_json::json;

use crate::material::{EvaluationMaterial, Pairs};
use crate::metric::SegmentStatistics;
use crate::metric::bleu::Bleu;
use crate::metric::tokenizer::Tokenizer;
use crate::results::{MeasuredScore, Results, TaskEntry, TaskRecord};
use crate::significance::{self, Resampling};
use crate::task::held_out_loss::HeldOutLoss;
use crate::task::off_target::OffTarget;
use crate::task::perplexity::Perplexity;
use crate::task::translation::Translation;
use crate::task::{Sample, Subject, Task};

pub use config::EvaluateConfig;
pub use error::EvaluateError;
use samples::SampleFile;
pub use samples::read as read_samples;
pub(crate) use samples::replace;

/// Evaluates `subject` on `material`; `results.json` and `samples_<task>.jsonl` go to `folder`.
///
/// Tasks: off-target answers per language of questions, translation in both directions per pair
/// of languages, perplexity per language of text, and the loss of reference answers per language
/// and of held-out examples per subset.
pub fn evaluate(
    subject: &Subject<'_>,
    source: Language,
    material: &EvaluationMaterial,
    config: &EvaluateConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Results, EvaluateError> {
    std::fs::create_dir_all(folder).map_err(EvaluateError::io(folder))?;
    let _lock = lock(folder)?;
    let tasks = tasks(subject, source, material, config)?;
    if tasks.is_empty() {
        return Err(EvaluateError::NoMaterial);
    }
    for line in &material.skipped {
        progress.note(&format!(
            "{}:{}: {}",
            line.path.display(),
            line.line,
            line.reason
        ));
    }

    let earlier = Results::read(folder);
    let mut results = Results::new(
        source,
        subject.answerer.identity(),
        subject.identifier.identity(),
        config.batch_size,
        now(),
    );
    results.xldistill.skipped_lines = material.skipped.clone();
    let mut unfinished = Vec::new();
    for task in &tasks {
        let (task, name) = (task.as_ref(), task.name());
        if task.needs_scorer() && subject.scorer.is_none() {
            progress.note(&format!("{name}: left out, the model cannot score text"));
            continue;
        }
        let (hash, key) = keys(task, subject, config);
        let entry = TaskEntry {
            configuration: task.configuration(),
            version: task.version(),
            documents: task.len(),
            hash,
        };
        let path = folder.join(Results::samples_file(&name));
        let known = earlier
            .as_ref()
            .and_then(|earlier| earlier.xldistill.tasks.get(&name));
        match known.filter(|known| known.key == key) {
            Some(known) if samples::hash(&path).as_ref() == Some(&known.samples_hash) => {
                results.insert(&name, entry, known.clone());
            }
            _ => unfinished.push((task, entry, key, path)),
        }
    }
    // Nothing to do: the file stays as it was, to the byte.
    if let Some(earlier) = earlier
        && unfinished.is_empty()
        && earlier.xldistill.complete
        && earlier.xldistill.tasks == results.xldistill.tasks
    {
        return Ok(earlier);
    }
    for (task, entry, key, path) in unfinished {
        let record = run(task, subject, config, key, &path, progress)?;
        results.insert(&task.name(), entry, record);
        results.end_time = now();
        write(folder, &results)?;
    }
    results.xldistill.complete = true;
    write(folder, &results)?;
    Ok(results)
}

/// The tasks that the material allows, in the order of a report.
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
        let forth = pairs
            .iter()
            .map(|(one, other)| (one.as_str(), other.as_str()))
            .collect();
        let back = pairs
            .iter()
            .map(|(one, other)| (other.as_str(), one.as_str()))
            .collect();
        for (from, to, pairs) in [(*source, *target, forth), (*target, *source, back)] {
            let model = config.bleu_tokenizer_model.as_deref();
            let bleu = Bleu::new(Tokenizer::named(&config.bleu_tokenizer, model)?);
            let part = config.translation_answer;
            tasks.push(Box::new(Translation::new(from, to, pairs, part, bleu)));
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

/// Evaluates every document of a task, going on where an interrupted evaluation was.
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
    let mut file = SampleFile::open(path, &key, batch)?;
    progress.begin(&name, Some(task.len() as u64));
    progress.advance(file.samples().len() as u64);
    while file.samples().len() < task.len() {
        let start = file.samples().len();
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
    let finished = file.finish()?;
    Ok(TaskRecord {
        key,
        language: task.language(),
        seconds: finished.seconds,
        measures: measure(task, &finished.samples, &config.resampling),
        histogram: task.histogram(&finished.samples),
        samples_hash: finished.hash,
    })
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

/// The statistics of one measure over all documents.
pub(crate) fn statistics(samples: &[Sample], key: &str) -> SegmentStatistics {
    let rows = samples
        .iter()
        .map(|sample| sample.statistics.get(key).cloned().unwrap_or_default());
    SegmentStatistics::from_rows(rows.collect())
}

/// The hash of a task without the model, and with everything that decides its numbers.
fn keys(task: &dyn Task, subject: &Subject<'_>, config: &EvaluateConfig) -> (String, String) {
    let mut hasher = blake3::Hasher::new();
    let mut add = |value: serde_json::Value| {
        hasher.update(value.to_string().as_bytes());
        hasher.update(b"\n");
        hasher.finalize().to_hex()[..32].to_owned()
    };
    add(json!([
        task.name(),
        task.version(),
        task.configuration(),
        config.resampling
    ]));
    let mut hash = String::new();
    for index in 0..task.len() {
        let (doc, target) = task.document(index);
        hash = add(json!([doc, target]));
    }
    // Where a model lies does not change what it says.
    let identity = |EngineIdentity {
                        engine,
                        revision,
                        parameters,
                        ..
                    }| { json!([engine, revision, parameters]) };
    let mut key = add(json!([
        identity(subject.answerer.identity()),
        config.batch_size
    ]));
    if task.needs_identifier() {
        key = add(identity(subject.identifier.identity()));
    }
    (hash, key)
}

fn write(folder: &Path, results: &Results) -> Result<(), EvaluateError> {
    let path = folder.join(Results::FILE);
    let json = serde_json::to_vec_pretty(results).map_err(std::io::Error::from);
    json.and_then(|mut json| {
        json.push(b'\n');
        samples::replace(&path, &json)
    })
    .map_err(EvaluateError::io(&path))
}

fn lock(folder: &Path) -> Result<File, EvaluateError> {
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(EvaluateError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EvaluateError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(EvaluateError::io(&path)(error)),
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
