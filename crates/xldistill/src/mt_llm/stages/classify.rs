//! The first step of stage 2: the LLM learns each task.

use std::path::Path;

use anyhow::{Error, Result};
use artefacts::Provenance;
use serde_json::json;
use training::Task;

use super::llm2vec;
use crate::adapter_keys;
use crate::backbone_source::{BackboneSource, validated};
use crate::checks::Checks;
use crate::kept_training::Trained;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "classify";

/// The stage.
pub struct Classify;

impl RecordedStage<Config> for Classify {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "train the LLM on each task (first step of stage 2)"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[llm2vec::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Config {
            classify,
            device,
            tasks,
            seed,
            ..
        } = run.config;
        let opened = device.open().map_err(Error::from).and_then(|opened| {
            let training = &classify.training;
            training.validate_on("classify.training", &opened.autodiff())?;
            Ok(device.to_string())
        });
        checks.add("device for classify", opened)?;
        let adapters = adapter_keys::check_classification(classify, &run.published_llm());
        checks.add("adapters for classify", adapters)?;
        let languages = run.marked_languages();
        tasks::check(tasks, *seed, languages.as_deref(), checks)
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let Config {
            classify, reading, ..
        } = run.config;
        let mut inputs = stage_record::inputs(run, &[llm2vec::NAME])?;
        inputs.extend(tasks::keys(&data));
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({ "classify": classify.deciding(), "reading": reading }),
            engines: Vec::new(),
            inputs,
        })
    }

    /// A task more or less changes no other task's training.
    fn origin(&self, run: &Run<'_, Config>, trained: &Trained) -> Result<Provenance> {
        let now = self.provenance(run)?;
        Ok(stage_record::in_common(now, &trained.from, &[]))
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let (training, source) = (run.head_training(), BackboneSource::Llm(run.llm()));
        let mut summaries = Vec::new();
        for (name, data) in &data {
            let (tasks, own) = ([Task { name, data }], folder.join(name));
            let summary = training.run(&source, &tasks, &own, &run.teacher(name))?;
            summaries.push(format!("{name}: {}", validated(&summary)));
        }
        Ok(summaries.join("; "))
    }
}
