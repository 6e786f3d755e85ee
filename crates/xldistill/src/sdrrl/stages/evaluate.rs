//! Evaluates the LLM before and after training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use artefacts::Key;
use corpus::seam::LanguageIdentifier;
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::metric::tokenizer::Tokenizer;
use evaluation::results::Results;
use evaluation::suite::{self, Absent, EvaluateConfig};
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
        let material = EvaluationMaterial::load(&material(run, None)).map_err(Into::into);
        let material = material.and_then(|material| {
            let texts = Texts::of(run);
            for pairs in &material.pairs {
                if let Some(files) = run.config.evaluate.pairs.get(&pairs.target) {
                    texts.held_out(files, &pairs.pairs, pairs.target)?;
                }
            }
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
        checks.add("BLEU's tokenizer", tokenizer.map_err(Into::into))
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let mut keys = Vec::new();
        if mix::lacks_tests(run) {
            return Ok(Key::of(&keys));
        }
        each(run, |_, subject, material, config| {
            keys.push(suite::key(subject, run.config.source, material, config)?);
            Ok(())
        })?;
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
        let (source, place, mut both) = (run.config.source, run.place()?, Vec::new());
        each(run, |which, subject, material, config| {
            let key = || suite::key(subject, source, material, config);
            let folder = place.folder(&format!("{NAME}/{which}"), key)?;
            let results =
                suite::evaluate(subject, source, material, config, &folder, run.progress)?;
            both.push(results);
            Ok(())
        })?;
        if let [before, after] = &both[..] {
            model_card::write(run, Some([before, after]))?;
        }
        let tasks: usize = both
            .iter()
            .map(|results| results.xldistill.tasks.len())
            .sum();
        Ok(format!("{tasks} tasks"))
    }
}

/// The two evaluations: names of their folders.
const WHICH: [&str; 2] = ["before", "after"];

/// Does something with each of the two evaluations.
fn each(
    run: &Run<'_, Config>,
    mut action: impl FnMut(&str, &Subject<'_>, &EvaluationMaterial, &EvaluateConfig) -> Result<()>,
) -> Result<()> {
    let config = run.config.evaluate.tasks();
    let examples = mix::test_file(run);
    for (stage, needed) in [("mix", examples.clone()), ("train", Some(run.model()))] {
        ensure!(
            needed.is_none_or(|needed| needed.exists()),
            "the stage {stage} is not finished: run `xldistill {stage}` with this config first"
        );
    }
    let material = EvaluationMaterial::load(&material(run, examples))?;
    let identifier = identifier(run)?;
    let models = [run.config.model.to_path_buf(), run.model()];
    for (which, model) in WHICH.into_iter().zip(models) {
        let llm = run.evaluated(&model)?;
        let subject = Subject {
            answerer: &llm,
            scorer: Some(&llm),
            identifier: identifier.as_ref(),
        };
        action(which, &subject, &material, &config)?;
    }
    Ok(())
}

/// Evaluates the LLM at `model`, whatever the run has trained, into a folder named after it beside
/// the two evaluations of the run; returns the folder. The run's held-out examples are used if they
/// are there.
pub fn evaluate_model(run: &Run<'_, Config>, model: &Path) -> Result<(PathBuf, Results)> {
    let config = run.config.evaluate.tasks();
    let examples = mix::test_file(run).filter(|file| file.is_file());
    let material = EvaluationMaterial::load(&material(run, examples))?;
    let identifier = identifier(run)?;
    let llm = run.evaluated(model)?;
    let subject = Subject {
        answerer: &llm,
        scorer: Some(&llm),
        identifier: identifier.as_ref(),
    };
    let source = run.config.source;
    let key = || suite::key(&subject, source, &material, &config);
    let place = run.place()?;
    let folder = place.folder(&format!("{NAME}/{}", folder_name(model)), key)?;
    let results = suite::evaluate(&subject, source, &material, &config, &folder, run.progress)?;
    Ok((folder, results))
}

/// Scores the saved outputs of both evaluations again, without the models; returns the results.
///
/// # Errors
/// Evaluations that are not finished, and outputs made for other documents or settings.
pub fn rescore(run: &Run<'_, Config>) -> Result<[Results; 2]> {
    let config = run.config.evaluate.tasks();
    let examples = mix::test_file(run).filter(|file| file.is_file());
    let material = EvaluationMaterial::load(&material(run, examples))?;
    let identifier = identifier(run)?;
    let (source, place) = (run.config.source, run.place()?);
    let again = |which| {
        let folder = run.folder(NAME).join(which);
        let saved = Results::read(&folder).filter(|results| results.xldistill.complete);
        let saved = saved.with_context(|| {
            format!(
                "{}: no finished evaluation to score again",
                folder.display()
            )
        })?;
        let model = Absent::of(&saved);
        let subject = model.subject(identifier.as_ref());
        let key = || suite::key(&subject, source, &material, &config);
        let folder = place.folder(&format!("{NAME}/{which}"), key)?;
        let results = suite::evaluate(&subject, source, &material, &config, &folder, run.progress);
        results.with_context(|| format!("scoring the outputs in {NAME}/{which} again"))
    };
    let [before, after] = WHICH;
    Ok([again(before)?, again(after)?])
}

/// The judge of the answers' languages.
fn identifier(run: &Run<'_, Config>) -> Result<Box<dyn LanguageIdentifier>> {
    let own = run.config.evaluate.identify.as_ref();
    Ok(own.unwrap_or(&run.config.identify).open()?)
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
