//! `[llm2vec]`: a text encoder made of the LLM.

use engines::model_ref::ModelRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training::mntp::MntpConfig;
use training::simcse::SimcseConfig;

/// `[llm2vec]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Llm2Vec {
    /// Whether the LLM is made a text encoder: `false` if it is one already.
    pub enabled: bool,
    /// Published PEFT adapters to merge into the LLM, in this order (MNTP, then SimCSE), instead of
    /// training some.
    pub merge: Vec<ModelRef>,
    /// Masked next-token prediction.
    pub mntp: MntpConfig,
    /// Unsupervised contrastive learning, after it.
    pub simcse: SimcseConfig,
}

impl Default for Llm2Vec {
    fn default() -> Self {
        Self {
            enabled: true,
            merge: Vec::new(),
            mntp: MntpConfig::default(),
            simcse: SimcseConfig::default(),
        }
    }
}

impl Llm2Vec {
    /// Checks everything but the files.
    pub(super) fn validate(&self) -> Result<(), String> {
        let Self { mntp, simcse, .. } = self;
        mntp.validate(MntpConfig::SECTION)
            .and_then(|()| simcse.validate(SimcseConfig::SECTION))
            .map_err(|error| error.to_string())
    }
}
