//! The stages of the model: trained, and measured before and after.

use anyhow::Result;
use corpus::mix;
use evaluation::{
    material::{EvaluationMaterial, MaterialPaths},
    suite,
    task::Subject,
};
use models::{ComputeDevice, LanguageModel, kernels::available_memory};
use training::{Fingerprint, memory};

use super::Pipeline;
use crate::{arguments::StageName, config::Config, wiring};

impl Pipeline<'_> {
    pub(super) fn train(&self) -> Result<String> {
        let train = self.transfer_set()?;
        let held_out = self.held_out()?;
        let (config, folder, output) = (
            &self.config.train,
            self.folder(StageName::Train),
            self.model(),
        );
        let revision = LanguageModel::identity_of(&self.config.model)?.revision;
        let fingerprint = Fingerprint::new(config, &revision, &train, &held_out);
        if let Some(summary) = training::finished(&folder, &output, &fingerprint)? {
            return Ok(summary.to_string());
        }
        if let Err(warning) = memory(self.config)? {
            self.progress.note(&format!("warning: {warning}"));
        }
        let device = self.config.device.open()?.autodiff();
        let form = config.weight_form();
        let model = LanguageModel::load_as(&self.config.model, &device, form)?;
        let progress = self.progress;
        let summary =
            training::fine_tune(model, &train, &held_out, config, &folder, &output, progress)?;
        Ok(summary.to_string())
    }

    pub(super) fn evaluate(&self) -> Result<String> {
        let config = &self.config.evaluate;
        let material = EvaluationMaterial::load(&MaterialPaths {
            questions: config.questions.clone(),
            pairs: config.pairs.clone(),
            texts: config.texts.clone(),
            examples: Some(self.folder(StageName::Mix).join(mix::HELD_OUT_FILE)),
            limit: config.limit,
            ..MaterialPaths::new(self.config.source)
        })?;
        let identifier = wiring::identifier(self.config)?;
        let mut documents = 0;
        for (which, model) in [
            ("before", self.config.model.clone()),
            ("after", self.model()),
        ] {
            let llm = wiring::subject(self.config, &model)?;
            let subject = Subject {
                answerer: &llm,
                scorer: Some(&llm),
                identifier: identifier.as_ref(),
            };
            let results = suite::evaluate(
                &subject,
                self.config.source,
                &material,
                &config.tasks(),
                &self.folder(StageName::Evaluate).join(which),
                self.progress,
            )?;
            documents += results.xldistill.tasks.len();
        }
        Ok(format!("{documents} tasks"))
    }
}

/// What training is expected to take on the processor, beside what is free; an error where that is
/// not enough.
pub fn memory(config: &Config) -> Result<Result<String, String>> {
    if config.device != ComputeDevice::Cpu {
        return Ok(Ok(format!("that of {} is not looked at", config.device)));
    }
    let shape = LanguageModel::shape_of(&config.model)?;
    let available = available_memory();
    Ok(match memory::warning(&shape, &config.train, available) {
        Some(warning) => Err(warning),
        None => Ok(format!(
            "training takes about {}, {} are free",
            memory::gigabytes(memory::expected(&shape, &config.train)),
            memory::gigabytes(available)
        )),
    })
}
