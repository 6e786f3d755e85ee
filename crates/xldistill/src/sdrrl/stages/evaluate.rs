//! Evaluates the LLM before and after training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};
use artefacts::Key;
use corpus::language::Language;
use corpus::progress::Progress;
use corpus::seam::{Answerer, TextScorer, TranslationMetric};
use engines::comet_kiwi::CometMetric;
use engines::native_label::NativeLabels;
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::metric::tokenizer::Tokenizer;
use evaluation::results::Results;
use evaluation::suite::{self, Absent, EvaluateConfig, EvaluateError};
use evaluation::task::Subject;

use super::{mix, train};
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::sdrrl::model_card;
use crate::sdrrl::texts::Texts;
use crate::stages::{Finished, Stage};

/// Name of the stage.
pub const NAME: &str = "evaluate";

/// The stage.
pub struct Evaluate;

impl Stage<Config> for Evaluate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "evaluate the LLM before and after training"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[mix::NAME, train::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let loaded = EvaluationMaterial::load(&material(run, None)).map_err(Error::from);
        let comet = match &loaded {
            Ok(material) => checked_comet(run, material),
            // What is wrong with the material is said below.
            Err(_) => comet(run).map(|_| String::new()),
        };
        let material = loaded.and_then(|material| {
            Texts::of(run).evaluated(&material)?;
            let questions: usize = material.questions.values().map(Vec::len).sum();
            let pairs: usize = material.pairs.iter().map(|pairs| pairs.pairs.len()).sum();
            let texts: usize = material.texts.values().map(Vec::len).sum();
            let benchmarks = material.benchmarks.len();
            Ok(format!(
                "{questions} questions, {pairs} pairs, {texts} passages, {benchmarks} benchmarks"
            ))
        });
        checks.add("evaluation material", material)?;
        let config = run.config.evaluate.tasks();
        let model = config.bleu_tokenizer_model.as_deref();
        let tokenizer = Tokenizer::of_language(&config.bleu_tokenizer, model, run.config.source);
        let tokenizer = tokenizer.map(|_| config.bleu_tokenizer.clone());
        checks.add("BLEU's tokenizer", tokenizer.map_err(Into::into))?;
        match run.config.evaluate.comet {
            Some(_) => checks.add("evaluate.comet", comet),
            None => Ok(()),
        }
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let mut keys = Vec::new();
        if mix::lacks_tests(run) {
            return Ok(Key::of(&keys));
        }
        let setting = Setting::of_run(run)?;
        for (_, model) in both(run) {
            let llm = run.evaluated(&model)?;
            keys.push(setting.key(run, &setting.subject(&llm))?);
        }
        Ok(Key::of(&keys))
    }

    fn finished(&self, run: &Run<'_, Config>) -> Option<Finished> {
        if mix::lacks_tests(run) {
            let key = Key::of(&Vec::<Key>::new());
            return Some(Finished { key, rows: None });
        }
        let key = |which| Results::read(&run.folder(NAME).join(which))?.key();
        let keys: Option<Vec<Key>> = WHICH.into_iter().map(key).collect();
        let key = Key::of(&keys?);
        Some(Finished { key, rows: None })
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        if mix::lacks_tests(run) {
            return Ok(mix::NO_TESTS.to_owned());
        }
        let finished = evaluate(run, &Setting::of_run(run)?, &both(run))?;
        if let [(_, before), (_, after)] = &finished[..] {
            model_card::write(run, Some([before, after]))?;
        }
        let tasks = finished.iter().map(|(_, one)| one.xldistill.tasks.len());
        Ok(format!("{} tasks", tasks.sum::<usize>()))
    }
}

/// The two evaluations: names of their folders.
const WHICH: [&str; 2] = ["before", "after"];

/// The folders of both evaluations, and their models.
fn both(run: &Run<'_, Config>) -> Vec<(String, PathBuf)> {
    let models = [run.config.model.to_path_buf(), run.model()];
    let folders = WHICH.iter().map(|which| format!("{NAME}/{which}"));
    folders.zip(models).collect()
}

/// A part of an evaluation.
type Part = fn(
    &Subject<'_>,
    Language,
    &EvaluationMaterial,
    &EvaluateConfig,
    &Path,
    &dyn Progress,
) -> Result<Results, EvaluateError>;

/// Evaluates models, each into a folder of the run; returns their folders and results. All models
/// have been asked before COMET is loaded, and none is then in memory.
fn evaluate(
    run: &Run<'_, Config>,
    setting: &Setting,
    models: &[(String, PathBuf)],
) -> Result<Vec<(PathBuf, Results)>> {
    let parts: &[Part] = match setting.metric {
        Some(_) => &[suite::outputs, suite::evaluate],
        None => &[suite::evaluate],
    };
    let (source, place) = (run.config.source, run.place()?);
    let mut finished = Vec::new();
    for part in parts {
        finished.clear();
        for (name, model) in models {
            let llm = run.evaluated(model)?;
            let subject = setting.subject(&llm);
            let folder = place.folder(name, || setting.key(run, &subject))?;
            let (material, tasks) = (&setting.material, &setting.tasks);
            let results = part(&subject, source, material, tasks, &folder, run.progress)?;
            finished.push((folder, results));
        }
    }
    Ok(finished)
}

/// What the evaluations of a run share.
struct Setting {
    material: EvaluationMaterial,
    tasks: EvaluateConfig,
    identifier: Box<dyn NativeLabels>,
    metric: Option<CometMetric>,
}

impl Setting {
    /// Reads the material, the held-out `examples` included, and opens the engines that judge.
    fn open(run: &Run<'_, Config>, examples: Option<PathBuf>) -> Result<Self> {
        let config = &run.config.evaluate;
        let identify = config.identify.as_ref().unwrap_or(&run.config.identify);
        Ok(Self {
            material: EvaluationMaterial::load(&material(run, examples))?,
            tasks: config.tasks(),
            identifier: identify.open()?,
            metric: comet(run)?,
        })
    }

    /// That of the run's two evaluations.
    fn of_run(run: &Run<'_, Config>) -> Result<Self> {
        let examples = mix::test_file(run);
        for (stage, needed) in [("mix", examples.clone()), ("train", Some(run.model()))] {
            ensure!(
                needed.is_none_or(|needed| needed.exists()),
                "the stage {stage} is not finished: run `xldistill {stage}` with this config first"
            );
        }
        Self::open(run, examples)
    }

    /// The key of the results of an evaluation.
    fn key(&self, run: &Run<'_, Config>, subject: &Subject<'_>) -> Result<Key> {
        let source = run.config.source;
        Ok(suite::key(subject, source, &self.material, &self.tasks)?)
    }

    /// The LLM with the engines that judge it.
    fn subject<'s, M: Answerer + TextScorer>(&'s self, llm: &'s M) -> Subject<'s> {
        let metric = self.metric.as_ref();
        Subject {
            answerer: llm,
            scorer: Some(llm),
            identifier: self.identifier.as_ref(),
            metric: metric.map(|metric| metric as &dyn TranslationMetric),
        }
    }
}

/// The COMET metric of the config, if there is one.
fn comet(run: &Run<'_, Config>) -> Result<Option<CometMetric>> {
    let comet = run.config.evaluate.comet.as_ref();
    let metric = comet.map(|comet| comet.metric(run.config.device));
    Ok(metric.transpose()?)
}

/// Checks COMET, and that it has something to score in `material`.
fn checked_comet(run: &Run<'_, Config>, material: &EvaluationMaterial) -> Result<String> {
    let Some(metric) = comet(run)? else {
        return Ok(String::new());
    };
    let mut benchmarks = material.benchmarks.iter();
    ensure!(
        !material.pairs.is_empty() || benchmarks.any(|task| task.direction().is_some()),
        "there are no translations to score; name pairs under [evaluate.pairs] or \
         the benchmark flores, or remove this section"
    );
    Ok(match metric.compares_with_references() {
        true => "with references".to_owned(),
        false => "a metric without references".to_owned(),
    })
}

/// Evaluates the LLM at `model`, whatever the run has trained, into a folder named after it beside
/// the two evaluations of the run; returns the folder. The run's held-out examples are used if they
/// are there.
pub fn evaluate_model(run: &Run<'_, Config>, model: &Path) -> Result<(PathBuf, Results)> {
    let examples = mix::test_file(run).filter(|file| file.is_file());
    let setting = Setting::open(run, examples)?;
    let models = [(format!("{NAME}/{}", folder_name(model)), model.to_owned())];
    let finished = evaluate(run, &setting, &models)?;
    finished.into_iter().next().context("a model was evaluated")
}

/// Scores the saved outputs of both evaluations again, without the models.
///
/// # Errors
/// Evaluations that are not finished, and outputs made for other documents or settings.
pub fn rescore(run: &Run<'_, Config>) -> Result<()> {
    let examples = mix::test_file(run).filter(|file| file.is_file());
    let setting = Setting::open(run, examples)?;
    let (source, place) = (run.config.source, run.place()?);
    let saved = |which: &&str| {
        let folder = run.folder(NAME).join(which);
        let saved = Results::read(&folder).filter(|results| results.xldistill.complete);
        let none = || {
            format!(
                "{}: no finished evaluation to score again",
                folder.display()
            )
        };
        saved.with_context(none)
    };
    // Both are looked at before either is replaced.
    let saved: Vec<Results> = WHICH.iter().map(saved).collect::<Result<_>>()?;
    for (which, saved) in WHICH.iter().zip(&saved) {
        let model = Absent::of(saved);
        let (subject, folder) = (setting.subject(&model), run.folder(NAME).join(which));
        let (material, tasks) = (&setting.material, &setting.tasks);
        suite::require_outputs(&subject, source, material, tasks, &folder)?;
    }
    let mut scored = Vec::new();
    for (which, saved) in WHICH.iter().zip(saved) {
        let model = Absent::of(&saved);
        let subject = setting.subject(&model);
        let folder = place.folder(&format!("{NAME}/{which}"), || setting.key(run, &subject))?;
        let (material, tasks) = (&setting.material, &setting.tasks);
        let results = suite::evaluate(&subject, source, material, tasks, &folder, run.progress);
        let failed = || format!("scoring the outputs in {NAME}/{which} again");
        scored.push(results.with_context(failed)?);
    }
    match &scored[..] {
        [before, after] if run.model().is_dir() => model_card::write(run, Some([before, after])),
        _ => Ok(()),
    }
}

/// The last two parts of the model's path, so that the models of two runs differ.
fn folder_name(model: &Path) -> String {
    let path = std::path::absolute(model).unwrap_or_else(|_| model.to_owned());
    let parts = path.iter().rev().take(2).map(|part| part.to_string_lossy());
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    let odd = |character: char| !character.is_alphanumeric() && !"-_.".contains(character);
    format!("model-{}", parts.join("_").replace(odd, "_"))
}

/// The files of the held-out material.
fn material(run: &Run<'_, Config>, examples: Option<PathBuf>) -> MaterialPaths {
    MaterialPaths {
        targets: run.config.targets.clone(),
        examples,
        ..run.config.evaluate.material(run.config.source)
    }
}
