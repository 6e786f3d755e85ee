//! Runs the tasks over the material and writes `results.json` and the samples.
//!
//! Documents are evaluated in fixed consecutive batches. Each batch is appended to the samples'
//! file at once, and each finished task is added to `results.json`. A killed evaluation resumes at
//! the interrupted batch and ends with the same files; results of an unchanged model on unchanged
//! material are reused.

mod config;
mod error;
mod samples;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use artefacts::{KeyBuilder, Lock, now};
use corpus::language::Language;
use corpus::progress::Progress;
use serde_json::json;

use crate::material::EvaluationMaterial;
use crate::metric::SegmentStatistics;
use crate::metric::bleu::Bleu;
use crate::metric::tokenizer::Tokenizer;
use crate::results::{MeasuredScore, Results, TaskEntry, TaskRecord};
use crate::rows::Pairs;
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
    std::fs::create_dir_all(folder).map_err(artefacts::ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    let own = tasks(subject, source, material, config)?;
    let benchmarks = || material.benchmarks.iter().map(AsRef::as_ref);
    let tasks: Vec<&dyn Task> = own.iter().map(AsRef::as_ref).chain(benchmarks()).collect();
    if tasks.is_empty() {
        return Err(EvaluateError::NoMaterial);
    }
    // The config names the benchmark, so leaving it out would be wrong.
    let unscored = |task: &&dyn Task| task.needs_scorer() && subject.scorer.is_none();
    if let Some(task) = benchmarks().find(unscored) {
        return Err(EvaluateError::CannotScore {
            task: task.name(),
            engine: subject.answerer.identity().engine,
        });
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
    let (mut names, mut unfinished) = (BTreeSet::new(), Vec::new());
    for task in tasks {
        let name = task.name();
        if !names.insert(name.clone()) {
            return Err(EvaluateError::Repeated { task: name });
        }
        if task.needs_scorer() && subject.scorer.is_none() {
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
        let path = folder.join(Results::samples_file(&name));
        let known = earlier
            .as_ref()
            .and_then(|earlier| earlier.xldistill.tasks.get(&name));
        match known.filter(|known| known.key == key) {
            Some(known)
                if artefacts::hash_file(&path).is_ok_and(|hash| hash == known.samples_hash) =>
            {
                let record = TaskRecord {
                    presentation: task.presentation(),
                    ..known.clone()
                };
                results.insert(&name, entry, record);
            }
            _ => unfinished.push((task, entry, key, path)),
        }
    }
    // Nothing to do: the file must not change by a byte.
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
        presentation: task.presentation(),
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
