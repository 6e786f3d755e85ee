//! Trains heads on the model.

use std::path::Path;

use anyhow::{Error, Result};
use artefacts::Provenance;
use serde_json::json;

use crate::adapter_keys;
use crate::backbone_source::{BackboneSource, HeadTraining, validated};
use crate::checks::Checks;
use crate::classify::MODEL;
use crate::classify::config::Config;
use crate::run::Run;
use crate::stage_record::RecordedStage;
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
        "train a classifier on an LLM or an encoder"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let config = run.config;
        let opened = config.device.open().map_err(Error::from);
        let opened = opened.and_then(|device| {
            let training = &config.classify.training;
            training.validate_on("classify.training", &device.autodiff())?;
            Ok(config.device.to_string())
        });
        checks.add("device", opened)?;
        let model = config.model.check().map_err(Error::msg);
        checks.add("model", model.and_then(|()| source(run)?.describe()))?;
        let adapters = source(run)
            .and_then(|model| adapter_keys::check_classification(&config.classify, &model));
        checks.add("adapters", adapters)?;
        tasks::check(&config.tasks, config.seed, None, checks)
    }

    fn outputs(&self) -> &'static [&'static str] {
        &[MODEL]
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let Config {
            prefix,
            reading,
            classify,
            ..
        } = run.config;
        let mut inputs = tasks::keys(&data);
        inputs.insert("model".to_owned(), source(run)?.revision()?);
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({ "prefix": prefix, "reading": reading, "classify": classify.deciding() }),
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let config = run.config;
        let data = tasks::load(&config.tasks, config.seed)?;
        let training = HeadTraining {
            reading: config.reading,
            config: &config.classify,
            device: config.device,
            card: tasks::card(&config.tasks),
            progress: run.progress,
        };
        let tasks = tasks::training(&data);
        let summary = training.run(&source(run)?, &tasks, folder, &run.folder(MODEL))?;
        Ok(validated(&summary))
    }
}

fn source(run: &Run<'_, Config>) -> Result<BackboneSource> {
    BackboneSource::of(&run.config.model, &run.config.prefix)
}
