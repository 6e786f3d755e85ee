//! The config of CometKiwi.

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, QualityEstimator};
use models::comet::{CometDescription, CometModel, CometOptions};
use models::{ComputeDevice, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{COMET, CometKiwi, failed, identity, refuse_references};
use crate::choice::KeyError;
use crate::engine_config::{EstimatorConfig, Translators};
use crate::lazy::Lazy;
use crate::model_ref::{ModelRef, existing, require};

/// CometKiwi or another reference-free COMET model, as in the paper.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CometKiwiConfig {
    /// The model's folder as published (`hparams.yaml`, `checkpoints/model.ckpt`), or its
    /// checkpoint.
    #[schemars(extend("default-text" = "required"))]
    pub model: Option<ModelRef>,
    /// Folder with the encoder's `tokenizer.json` and `config.json`.
    ///
    /// The models of WMT22 are published without the tokenizer of their encoders, which is that of
    /// XLM-R: `hf download xlm-roberta-large tokenizer.json --local-dir MODEL`. A copy in the
    /// cache of the Hugging Face tools is found there. Without `config.json` the encoder's shape is
    /// read from its weights.
    #[schemars(extend("default-text" = "the model's folder"))]
    pub encoder: Option<FilePath>,
    /// Number format of the encoder's weights.
    pub precision: Precision,
}

impl CometKiwiConfig {
    /// The model.
    pub fn model(&self) -> Result<&ModelRef, KeyError> {
        let what = "the model's folder (hparams.yaml and checkpoints/model.ckpt)";
        require(&self.model, what)
    }

    /// How the model is loaded.
    pub fn options(&self) -> CometOptions {
        CometOptions {
            encoder: self.encoder.clone().map(Into::into),
            weights: self.precision,
        }
    }

    /// The model, described and ready to be loaded.
    pub(super) fn lazy(
        &self,
        device: ComputeDevice,
    ) -> Result<(CometDescription, Lazy<CometKiwi>), EngineError> {
        let model = existing(COMET, self.model())?.clone();
        let options = self.options();
        let metric = CometModel::describe(&model, &options).map_err(failed)?;
        let identity = identity(
            &metric.identity,
            metric.class(),
            metric.transformation(),
            options.weights,
        );
        let load = move || CometKiwi::load(&model, &options, device);
        Ok((metric, Lazy::new(identity, load)))
    }
}

impl EstimatorConfig for CometKiwiConfig {
    fn check(&self) -> Result<(), KeyError> {
        self.model().map(drop)
    }

    fn check_files(&self) -> Result<(), EngineError> {
        let (description, _) = self.lazy(ComputeDevice::Cpu)?;
        refuse_references(&description.identity.path, description.needs_reference())
    }

    fn open(
        &self,
        device: ComputeDevice,
        _: &dyn Fn() -> Result<Translators, EngineError>,
    ) -> Result<Option<Box<dyn QualityEstimator>>, EngineError> {
        let (description, metric) = self.lazy(device)?;
        refuse_references(&description.identity.path, description.needs_reference())?;
        Ok(Some(Box::new(metric)))
    }
}

impl QualityEstimator for Lazy<CometKiwi> {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn estimate(
        &self,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        self.get()?.estimate(pairs, from, to)
    }
}
