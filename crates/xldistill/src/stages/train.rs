//! Fine-tunes the LLM on the transfer set.

use anyhow::{Error, Result};
use models::{ComputeDevice, LanguageModel};
use training::fine_tune::{self, memory};

use super::{Stage, mix};
use crate::checks::Checks;
use crate::config::Config;
use crate::run::Run;

/// Name of the stage.
pub const NAME: &str = "train";

/// The stage.
pub struct Train;

impl Stage for Train {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "fine-tune the LLM on the transfer set"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[mix::NAME]
    }

    fn check(&self, run: &Run<'_>, checks: &mut Checks<'_>) -> Result<()> {
        let device = run.config.device;
        let opened = device.open().map_err(Error::from).and_then(|opened| {
            run.config.train.validate_on(&opened.autodiff())?;
            Ok(device.to_string())
        });
        checks.add("device", opened)?;
        let model = run.config.model.check().map_err(Error::msg);
        let shape = model.and_then(|()| match checks.thorough {
            true => memory_needed(run.config)?.map_err(Error::msg),
            false => Ok(String::new()),
        });
        checks.add("memory for training", shape)
    }

    fn work(&self, run: &Run<'_>) -> Result<String> {
        let train = mix::transfer_set(run)?;
        let held_out = mix::held_out(run)?;
        let path = &run.config.model;
        let (config, folder, output) = (&run.config.train, run.folder(NAME), run.model());
        let revision = LanguageModel::identity_of(path)?.revision;
        let provenance = fine_tune::provenance(config, &revision, &train, &held_out);
        if let Some(summary) = fine_tune::finished(&folder, &output, config, &provenance)? {
            return Ok(summary.to_string());
        }
        if let Err(warning) = memory_needed(run.config)? {
            run.progress.note(&format!("warning: {warning}"));
        }
        let device = run.config.device.open()?.autodiff();
        config.validate_on(&device)?;
        let model = LanguageModel::load_as(path, &device, config.weight_form())?;
        let progress = run.progress;
        let summary =
            fine_tune::fine_tune(model, &train, &held_out, config, &folder, &output, progress)?;
        Ok(summary.to_string())
    }
}

/// Expected memory of training on the CPU, and free memory; an error if that is not enough.
fn memory_needed(config: &Config) -> Result<Result<String, String>> {
    if config.device != ComputeDevice::Cpu {
        return Ok(Ok(format!("not checked on {}", config.device)));
    }
    let shape = LanguageModel::shape_of(&config.model)?;
    let available = kernels::available_memory();
    Ok(match memory::warning(&shape, &config.train, available) {
        Some(warning) => Err(warning),
        None => Ok(format!(
            "about {}, of {} free",
            memory::gigabytes(memory::expected(&shape, &config.train)),
            memory::gigabytes(available)
        )),
    })
}
