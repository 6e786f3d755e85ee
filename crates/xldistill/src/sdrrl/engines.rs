//! The models and engines of a run.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use burn::tensor::Device;
use corpus::seam::QualityEstimator;
use engines::engine_config::Translators;
use engines::local_llm::{LocalLlm, LocalLlmOptions};
use engines::template_ref;
use evaluation::material::{EvaluationMaterial, MaterialPaths, Pairs};
use models::{LanguageModel, ModelIdentity, WeightForm};

use super::MODEL;
use super::config::Config;
use crate::run::Run;

impl Run<'_, Config> {
    /// Folder of the fine-tuned model.
    pub fn model(&self) -> PathBuf {
        self.folder(MODEL)
    }

    /// The text of the config's chat template.
    pub fn template(&self) -> Result<Option<String>> {
        template_ref::text_of(self.config.template.as_ref()).map_err(Error::msg)
    }

    /// The config's LLM, with the config's chat template.
    pub fn language_model(&self, device: &Device, form: WeightForm) -> Result<LanguageModel> {
        let model = LanguageModel::load_as(&self.config.model, device, form)?;
        Ok(match self.template()? {
            Some(template) => model.with_template(&template)?,
            None => model,
        })
    }

    /// The identity of the config's LLM.
    pub fn model_identity(&self) -> Result<ModelIdentity> {
        let identity = LanguageModel::identity_of(&self.config.model)?;
        Ok(match self.template()? {
            Some(template) => identity.with_template(&template),
            None => identity,
        })
    }

    /// The translators of the config, in both directions.
    pub fn translators(&self) -> Result<Translators> {
        Ok(self.config.translate.open(&self.config.opening())?)
    }

    /// The quality estimator of the config, if there is one.
    pub fn estimator(&self) -> Result<Option<Box<dyn QualityEstimator>>> {
        let Config {
            estimate_quality,
            translate,
            device,
            ..
        } = self.config;
        let translators = || translate.open(&self.config.opening());
        Ok(estimate_quality.open(*device, &translators)?)
    }

    /// The LLM at `model`, with the settings of the evaluation.
    pub fn evaluated(&self, model: &Path) -> Result<LocalLlm> {
        let evaluate = &self.config.evaluate;
        let options = LocalLlmOptions {
            max_new_tokens: evaluate.max_new_tokens,
            batch_size: evaluate.batch_size,
            template: self.template()?,
            system_prompt: self.config.train.system.clone(),
            weights: evaluate.precision,
            device: self.config.device,
            ..LocalLlmOptions::default()
        };
        Ok(LocalLlm::open(model, options)?)
    }

    /// The held-out sentence pairs of all targets that have some.
    pub fn human_translations(&self) -> Result<Vec<Pairs>> {
        let source = self.config.source;
        let material = EvaluationMaterial::load(&MaterialPaths {
            pairs: self.config.evaluate.material(source).pairs,
            ..MaterialPaths::new(source)
        })?;
        Ok(material.pairs)
    }
}
