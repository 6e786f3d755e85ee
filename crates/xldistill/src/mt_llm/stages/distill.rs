//! The second step of stage 2: the stack learns the tasks from the LLM that was trained on them.

use std::path::Path;

use anyhow::{Error, Result};
use artefacts::Provenance;
use burn::tensor::Device;
use models::{Backbone, LanguageModel, ModelDirectory, WeightForm};
use serde_json::json;
use training::task_distillation::{TeacherStates, task_distillation};
use training::{Start, Task};

use super::{adapt, classify, llm2vec};
use crate::adapter_keys;
use crate::backbone_source::{BackboneSource, validated};
use crate::checks::Checks;
use crate::mt_llm::MODEL;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "distill";

/// Folder of the teachers' states, one for each task.
const STATES: &str = "teachers";

/// The stage.
pub struct Distill;

impl RecordedStage<Config> for Distill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "teach the stack the tasks, with the trained LLM as the teacher (second step of stage 2)"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[adapt::NAME, classify::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Config {
            device, distill, ..
        } = run.config;
        let opened = device.open().map_err(Error::from).and_then(|opened| {
            let training = &distill.training;
            training.validate_on("distill.training", &opened.autodiff())?;
            Ok(device.to_string())
        });
        checks.add("device for distill", opened)?;
        // After stage 1, the adapters are those that it trained.
        if run.config.adapted {
            return Ok(());
        }
        let (training, llm) = (&distill.training, run.published_llm());
        let adapters = adapter_keys::check_training("distill.training", training, &llm);
        checks.add("adapters for distill", adapters)
    }

    fn outputs(&self) -> &'static [&'static str] {
        &[MODEL]
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let Config {
            distill,
            encoder,
            reading,
            adapted,
            adapt,
            seed,
            ..
        } = run.config;
        let stages = [llm2vec::NAME, adapt::NAME, classify::NAME];
        let mut inputs = stage_record::inputs(run, &stages)?;
        inputs.insert("encoder".to_owned(), run.encoder_revision()?);
        let fresh = (!adapted).then(|| json!({ "layer_mix": adapt.layer_mix, "seed": seed }));
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({
                "distill": distill.deciding(),
                "prefix": encoder.prefix,
                "reading": reading,
                "fresh": fresh,
            }),
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let Config {
            distill,
            tasks,
            seed,
            device,
            ..
        } = run.config;
        let data = tasks::load(tasks, *seed)?;
        let learnt = tasks::training(&data);
        let taught = learnt.iter().map(|task| states(run, task, folder));
        let taught: Vec<TeacherStates> = taught.collect::<Result<_>>()?;
        let start = student(run, &device.open()?.autodiff())?;
        let output = run.folder(MODEL);
        let summary = task_distillation(
            start,
            &learnt,
            &taught,
            distill,
            folder,
            &output,
            tasks::card(tasks),
            run.progress,
        )?;
        Ok(validated(&summary))
    }
}

/// What the teacher of `task` makes of its rows, computed once.
fn states(run: &Run<'_, Config>, task: &Task<'_>, folder: &Path) -> Result<TeacherStates> {
    let directory = ModelDirectory::open(run.teacher(task.name))?;
    let revision = directory.revision()?;
    let precision = run.config.distill.training.precision;
    let form = WeightForm::Packed(precision);
    let teacher = directory.classifier(&run.config.device.open()?, form)?;
    let folder = folder.join(STATES).join(task.name);
    let states = TeacherStates::make(&teacher, &revision, task, precision, &folder, run.progress)?;
    Ok(states)
}

/// The stack that learns: that of stage 1, or without it one with a random projection.
fn student(run: &Run<'_, Config>, device: &Device) -> Result<Start> {
    let Config {
        adapted,
        reading,
        adapt,
        distill,
        seed,
        ..
    } = run.config;
    if *adapted {
        let stack = BackboneSource::Directory(run.adapted());
        return stack.load(*reading, device, WeightForm::Parameters);
    }
    let plain = run.config.device.open()?;
    let encoder = run.encoder(&plain, WeightForm::Packed(distill.training.precision))?;
    let llm = LanguageModel::load_states(run.llm(), device, WeightForm::Parameters)?;
    let stack = Backbone::of_stack(encoder, llm, *reading, adapt.layer_mix, *seed);
    Ok(Start::fresh(stack))
}
