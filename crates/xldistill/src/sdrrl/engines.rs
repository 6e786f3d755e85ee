//! The models and engines of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use corpus::seam::QualityEstimator;
use engines::engine_config::Translators;
use engines::local_llm::{LocalLlm, LocalLlmOptions};
use evaluation::material::{EvaluationMaterial, MaterialPaths, Pairs};

use super::MODEL;
use super::config::Config;
use crate::run::Run;

impl Run<'_, Config> {
    /// Folder of the fine-tuned model.
    pub fn model(&self) -> PathBuf {
        self.folder(MODEL)
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
            system_prompt: self.config.answer.system().map(str::to_owned),
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
