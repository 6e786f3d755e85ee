//! Evaluates the classifier on the test files.

use anyhow::Result;
use artefacts::{Key, Provenance};
use evaluation::classification::{CLASSIFIER, Contender};
use serde_json::json;

use super::classify;
use crate::checks::Checks;
use crate::classify::MODEL;
use crate::classify::config::Config;
use crate::comparison;
use crate::run::Run;
use crate::run_folder::model_name;
use crate::stage_record;
use crate::stages::{Finished, Stage};
use crate::tasks;

/// The stage.
pub struct Evaluate;

impl Stage<Config> for Evaluate {
    fn name(&self) -> &'static str {
        comparison::NAME
    }

    fn about(&self) -> &'static str {
        "evaluate the classifier in every language of the test files"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[classify::NAME]
    }

    /// The test files are checked with those of training.
    fn check(&self, _: &Run<'_, Config>, _: &mut Checks<'_>) -> Result<()> {
        Ok(())
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        Ok(provenance(run, &data)?.key())
    }

    fn finished(&self, run: &Run<'_, Config>) -> Option<Finished> {
        stage_record::finished(&run.folder(comparison::NAME))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        let Config {
            evaluate, device, ..
        } = run.config;
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        stage_record::once(run, provenance(run, &data)?, &[], |folder| {
            let model = evaluate.open(&run.folder(MODEL), *device)?;
            let title = model_name(&run.config.model);
            let contenders = vec![Contender::new(&CLASSIFIER, model)];
            let tasks = &run.config.tasks;
            comparison::evaluate(run, evaluate, title, contenders, tasks, &data, folder)
        })
    }
}

fn provenance(run: &Run<'_, Config>, data: &comparison::Data) -> Result<Provenance> {
    let mut inputs = stage_record::inputs(run, &[classify::NAME])?;
    inputs.insert("test files".to_owned(), comparison::key(data));
    Ok(Provenance {
        stage: comparison::NAME.to_owned(),
        version: 1,
        parameters: json!(run.config.evaluate),
        engines: Vec::new(),
        inputs,
    })
}
