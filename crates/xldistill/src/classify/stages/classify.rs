//! Trains heads on the model.

use anyhow::{Error, Result};
use artefacts::{Key, Provenance};
use serde_json::json;

use crate::adapter_keys;
use crate::backbone_source::{BackboneSource, HeadTraining, validated};
use crate::checks::Checks;
use crate::classify::MODEL;
use crate::classify::config::Config;
use crate::kept_training::Trained;
use crate::run::Run;
use crate::stage_record;
use crate::stages::{Finished, Stage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "classify";

/// The stage.
pub struct Classify;

impl Stage<Config> for Classify {
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

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        Ok(provenance(run, tasks::keys(&data))?.key())
    }

    fn finished(&self, run: &Run<'_, Config>) -> Option<Finished> {
        stage_record::finished(&run.folder(NAME))
    }

    fn trained(&self, run: &Run<'_, Config>) -> Vec<Trained> {
        stage_record::trained(&run.folder(NAME))
    }

    fn origin(&self, run: &Run<'_, Config>, _: &Trained) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        provenance(run, tasks::keys(&data))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        let config = run.config;
        let data = tasks::load(&config.tasks, config.seed)?;
        let provenance = provenance(run, tasks::keys(&data))?;
        stage_record::once(run, provenance, &[MODEL], |folder| {
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
        })
    }
}

fn source(run: &Run<'_, Config>) -> Result<BackboneSource> {
    BackboneSource::of(&run.config.model, &run.config.prefix)
}

/// Everything that determines the classifier; `tasks` are the hashes of its data.
fn provenance(
    run: &Run<'_, Config>,
    tasks: std::collections::BTreeMap<String, String>,
) -> Result<Provenance> {
    let Config {
        prefix,
        reading,
        classify,
        ..
    } = run.config;
    let mut inputs = tasks;
    inputs.insert("model".to_owned(), source(run)?.revision()?);
    Ok(Provenance {
        stage: NAME.to_owned(),
        version: 1,
        parameters: json!({ "prefix": prefix, "reading": reading, "classify": classify.deciding() }),
        engines: Vec::new(),
        inputs,
    })
}
