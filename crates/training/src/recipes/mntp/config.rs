//! The keys of masked next-token prediction.

use models::export::StoredFormat;
use models::tokenizer::Tokenizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipes::loop_config::{LoopConfig, LoopDefaults};
use crate::recipes::ranges::{ConfigError, Ranges};

/// Keys of masked next-token prediction. The defaults are those of LLM2Vec, but for the number of
/// steps, which is one pass over the text there too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MntpConfig {
    /// Share of the tokens that are masked.
    pub mask_probability: f64,
    /// The token put in their place. LLMs have no mask token, so an ordinary one stands for it.
    pub mask_token: String,
    /// Maximum length of a document in tokens; the rest is cut off.
    pub max_length: usize,
    /// Number of documents that are held out, at most half of all.
    pub held_out: usize,
    /// Number format of the merged model: `f32`, exactly as trained, or at half the size `bf16` or
    /// `f16`.
    pub export_precision: StoredFormat,
    /// Keys of the training loop.
    pub training: LoopConfig<MntpLoop>,
}

impl Default for MntpConfig {
    fn default() -> Self {
        Self {
            mask_probability: 0.2,
            mask_token: "_".to_owned(),
            max_length: 512,
            held_out: 200,
            export_precision: StoredFormat::F32,
            training: LoopConfig::default(),
        }
    }
}

/// Defaults of the loop: those of LLM2Vec (`train_configs/mntp`), 5e-5 without warm-up.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct MntpLoop;

impl LoopDefaults for MntpLoop {
    fn defaults() -> LoopConfig<Self> {
        LoopConfig {
            max_steps: 1000,
            learning_rate: 5e-5,
            warmup: 0.0,
            weight_decay: 0.0,
            evaluate_every: 100,
            ..LoopConfig::base()
        }
    }
}

impl MntpConfig {
    /// Names of the sections of a config, for messages.
    pub const SECTION: &str = "llm2vec.mntp";
    pub(super) const LOOP_SECTION: &str = "llm2vec.mntp.training";

    /// Checks every value's range; errors name the key in `section`.
    pub fn validate(&self, section: &str) -> Result<(), ConfigError> {
        let ranges = Ranges(section);
        let share = self.mask_probability;
        let within = share > 0.0 && share < 1.0;
        ranges.check("mask_probability", share, within, "above 0 and below 1")?;
        let length = self.max_length;
        ranges.check("max_length", length, length > 1, "at least 2")?;
        self.training.validate(&format!("{section}.training"))
    }

    /// The settings that determine what is learnt; all others have their defaults.
    pub fn deciding(&self) -> Self {
        Self {
            export_precision: StoredFormat::F32,
            training: self.training.deciding(),
            ..self.clone()
        }
    }

    /// The id of the mask token.
    ///
    /// # Errors
    /// If it is no token of the model.
    pub fn mask_id(&self, tokenizer: &Tokenizer) -> Result<u32, ConfigError> {
        tokenizer.id(&self.mask_token).ok_or_else(|| ConfigError {
            section: Self::SECTION.to_owned(),
            key: "mask_token",
            value: format!("{:?}", self.mask_token),
            expected: "a token of the model, as its vocabulary spells it".into(),
        })
    }
}
