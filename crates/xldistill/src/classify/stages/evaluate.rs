//! Evaluates the classifier on the test files.

use std::path::Path;

use anyhow::Result;
use artefacts::Provenance;
use evaluation::classification::{CLASSIFIER, Contender};
use serde_json::json;

use super::classify;
use crate::checks::Checks;
use crate::classify::MODEL;
use crate::classify::config::Config;
use crate::comparison;
use crate::run::Run;
use crate::run_folder::model_name;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// The stage.
pub struct Evaluate;

impl RecordedStage<Config> for Evaluate {
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

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let mut inputs = stage_record::inputs(run, &[classify::NAME])?;
        inputs.insert("test files".to_owned(), comparison::key(&data));
        Ok(Provenance {
            stage: comparison::NAME.to_owned(),
            version: 1,
            parameters: json!(run.config.evaluate),
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        if !tasks::have_tests(&run.config.tasks) {
            return comparison::nothing(folder);
        }
        let Config {
            evaluate, device, ..
        } = run.config;
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let model = evaluate.open(&run.folder(MODEL), *device)?;
        let title = model_name(&run.config.model);
        let contenders = vec![Contender::new(&CLASSIFIER, model)];
        let tasks = &run.config.tasks;
        comparison::evaluate(run, evaluate, title, contenders, tasks, &data, folder)
    }
}
