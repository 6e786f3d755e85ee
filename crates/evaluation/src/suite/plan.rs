//! What an evaluation has to do: its tasks, each with the keys that say what is already done.

use std::collections::BTreeSet;

use artefacts::KeyBuilder;
use corpus::language::Language;
use corpus::progress::Progress;
use serde_json::json;

use super::learned::Learned;
use super::{EvaluateConfig, EvaluateError};
use crate::material::EvaluationMaterial;
use crate::metric::bleu::Bleu;
use crate::metric::tokenizer::Tokenizer;
use crate::results::TaskEntry;
use crate::rows::Pairs;
use crate::task::held_out_loss::HeldOutLoss;
use crate::task::off_target::OffTarget;
use crate::task::perplexity::Perplexity;
use crate::task::translation::translation;
use crate::task::{Direction, Presentation, Subject, Task};

/// A task that will be evaluated.
pub struct Planned<'t> {
    /// The task.
    pub task: &'t dyn Task,
    /// What the results say of it besides its scores.
    pub entry: TaskEntry,
    /// Hash of everything that determines the model's outputs and their scores, but for those of
    /// a learned metric.
    pub outputs: String,
    /// The learned metric that scores its translations.
    pub learned: Option<ToBeScored<'t>>,
}

/// Translations that a learned metric scores.
#[derive(Clone, Copy)]
pub struct ToBeScored<'t> {
    /// The metric.
    pub metric: &'t Learned<'t>,
    /// Their languages.
    pub direction: Direction,
}

impl Planned<'_> {
    /// Hash of everything that determines the scores.
    pub fn key(&self) -> String {
        match &self.learned {
            None => self.outputs.clone(),
            Some(scored) => scored.metric.key(&self.outputs),
        }
    }

    /// The presentation of all scores.
    pub fn presentation(&self) -> Presentation {
        let presentation = self.task.presentation();
        match &self.learned {
            None => presentation,
            Some(scored) => scored.metric.presented(presentation),
        }
    }
}

/// The `own` tasks and the benchmarks of `material`, except those that need a scorer if there is
/// none. `learned` scores translations.
pub fn planned<'t>(
    own: &'t [Box<dyn Task + 't>],
    subject: &Subject<'_>,
    learned: Option<&'t Learned<'t>>,
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
        let (hash, outputs) = keys(task, subject, config);
        let entry = TaskEntry {
            configuration: task.configuration(),
            version: task.version(),
            shots: task.shots(),
            documents: task.len(),
            hash,
        };
        let scored = |(metric, direction)| ToBeScored { metric, direction };
        planned.push(Planned {
            task,
            entry,
            outputs,
            learned: learned.zip(task.direction()).map(scored),
        });
    }
    match names.is_empty() {
        true => Err(EvaluateError::NoMaterial),
        false => Ok(planned),
    }
}

/// The tasks for which there is material, in the order of a report.
pub fn tasks<'a>(
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

/// Hashes of a task: without the model, and with everything that determines its outputs.
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
