//! Trains what the stack is compared with.

use std::path::Path;

use anyhow::{Context, Result};
use artefacts::Provenance;
use evaluation::classification::{ENCODER_ALONE, FINE_TUNED_STACK};
use serde_json::json;
use training::Task;

use super::adapt;
use crate::adapter_keys;
use crate::backbone_source::{BackboneSource, validated};
use crate::checks::Checks;
use crate::kept_training::Trained;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "baselines";

/// The stage.
pub struct TrainBaselines;

impl RecordedStage<Config> for TrainBaselines {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "train the baselines: the encoder alone, and the stack fine-tuned on the labels"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[adapt::NAME]
    }

    /// What else it needs is checked for the stages before it.
    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        if !run.config.baselines.encoder_alone {
            return Ok(());
        }
        let (classify, encoder) = (&run.config.classify, run.encoder_alone());
        let adapters = adapter_keys::check_classification(classify, &encoder)
            .context("the baseline `encoder_alone` trains the encoder with the keys of [classify]");
        checks.add("adapters for the encoder alone", adapters)
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let Config {
            classify,
            reading,
            encoder,
            ..
        } = run.config;
        let systems: Vec<&str> = trained(run).iter().map(|(name, _)| *name).collect();
        let mut inputs = tasks::keys(&data);
        inputs.insert("encoder".to_owned(), run.encoder_revision()?);
        if systems.contains(&FINE_TUNED_STACK.name) {
            inputs.extend(stage_record::inputs(run, &[adapt::NAME])?);
        }
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({
                "systems": systems,
                "classify": classify.deciding(),
                "reading": reading,
                "prefix": encoder.prefix,
            }),
            engines: Vec::new(),
            inputs,
        })
    }

    /// A system or task more or less changes no other's training.
    fn origin(&self, run: &Run<'_, Config>, trained: &Trained) -> Result<Provenance> {
        let now = self.provenance(run)?;
        Ok(stage_record::in_common(now, &trained.from, &["systems"]))
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let training = run.head_training();
        let mut summaries = Vec::new();
        for (system, source) in trained(run) {
            for (name, data) in &data {
                let (tasks, own) = ([Task { name, data }], folder.join(system).join(name));
                let output = run.baseline(system, name);
                let summary = training.run(&source, &tasks, &own, &output)?;
                summaries.push(format!("{system}, {name}: {}", validated(&summary)));
            }
        }
        Ok(match summaries.is_empty() {
            true if !tasks::have_tests(&run.config.tasks) => {
                "none, since no task has test files".to_owned()
            }
            true => "none".to_owned(),
            false => summaries.join("; "),
        })
    }
}

/// The systems to train, and what they start from: none if there is nothing to compare them on.
pub fn trained(run: &Run<'_, Config>) -> Vec<(&'static str, BackboneSource)> {
    let wanted = &run.config.baselines;
    let mut systems = Vec::new();
    if !tasks::have_tests(&run.config.tasks) {
        return systems;
    }
    if wanted.encoder_alone {
        systems.push((ENCODER_ALONE.name, run.encoder_alone()));
    }
    if wanted.fine_tuned_stack {
        let stack = BackboneSource::Directory(run.adapted());
        systems.push((FINE_TUNED_STACK.name, stack));
    }
    systems
}
