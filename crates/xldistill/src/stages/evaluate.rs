//! Evaluates the LLM before and after training.

use std::path::PathBuf;

use anyhow::Result;
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::metric::tokenizer::Tokenizer;
use evaluation::results::Results;
use evaluation::suite;
use evaluation::task::Subject;

use super::{Stage, State, mix, train};
use crate::checks::Checks;
use crate::run::Run;

/// Name of the stage.
pub const NAME: &str = "evaluate";

/// The stage.
pub struct Evaluate;

impl Stage for Evaluate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "evaluate the LLM before and after training"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[mix::NAME, train::NAME]
    }

    fn check(&self, run: &Run<'_>, checks: &mut Checks<'_>) -> Result<()> {
        let material = EvaluationMaterial::load(&material(run, None)).map(|material| {
            let questions: usize = material.questions.values().map(Vec::len).sum();
            let pairs: usize = material.pairs.iter().map(|pairs| pairs.pairs.len()).sum();
            let texts: usize = material.texts.values().map(Vec::len).sum();
            let benchmarks = material.benchmarks.len();
            format!(
                "{questions} questions, {pairs} pairs, {texts} passages, {benchmarks} benchmarks"
            )
        });
        checks.add("evaluation material", material.map_err(Into::into))?;
        let config = run.config.evaluate.tasks();
        let model = config.bleu_tokenizer_model.as_deref();
        let tokenizer = Tokenizer::named(&config.bleu_tokenizer, model);
        let tokenizer = tokenizer.map(|_| config.bleu_tokenizer.clone());
        checks.add("BLEU's tokenizer", tokenizer.map_err(Into::into))
    }

    fn state(&self, run: &Run<'_>) -> State {
        let folder = run.folder(NAME);
        let is_complete = |which: &str| {
            let results = Results::read(&folder.join(which));
            results.is_some_and(|results| results.xldistill.complete)
        };
        match ["before", "after"].into_iter().all(is_complete) {
            true => State::Finished(None),
            false if folder.exists() => State::Unfinished,
            false => State::ToDo,
        }
    }

    fn work(&self, run: &Run<'_>) -> Result<String> {
        let config = run.config.evaluate.tasks();
        let material = EvaluationMaterial::load(&material(run, Some(mix::held_out_file(run))))?;
        let identifier = run.config.identify.open()?;
        let mut tasks = 0;
        let before = run.config.model.to_path_buf();
        for (which, model) in [("before", before), ("after", run.model())] {
            let llm = run.evaluated(&model)?;
            let subject = Subject {
                answerer: &llm,
                scorer: Some(&llm),
                identifier: identifier.as_ref(),
            };
            let folder = run.folder(NAME).join(which);
            let source = run.config.source;
            let results =
                suite::evaluate(&subject, source, &material, &config, &folder, run.progress)?;
            tasks += results.xldistill.tasks.len();
        }
        Ok(format!("{tasks} tasks"))
    }
}

/// The files of the held-out material.
fn material(run: &Run<'_>, examples: Option<PathBuf>) -> MaterialPaths {
    MaterialPaths {
        targets: run.config.targets.clone(),
        examples,
        ..run.config.evaluate.material(run.config.source)
    }
}
