//! The keys of contrastive learning.

use models::export::StoredFormat;
use models::layers::{Attention, Pooling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipes::loop_config::{LoopConfig, LoopDefaults};
use crate::recipes::ranges::{ConfigError, Ranges};

/// Keys of unsupervised contrastive learning (SimCSE). The defaults are those of LLM2Vec, except
/// that dropout applies to the inputs of the adapters and not to attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimcseConfig {
    /// Cosines are divided by this number before the softmax.
    pub temperature: f64,
    /// The hidden states that stand for a sentence: `mean` of all tokens, the last (`eos`) or the
    /// first (`cls`).
    pub pooling: Pooling,
    /// The tokens that a token attends to: `bidirectional`, or `causal` as in pre-training.
    pub attention: Attention,
    /// Maximum length of a sentence in tokens; the rest is cut off.
    pub max_length: usize,
    /// Number of sentences that are held out, at most half of all. They are measured in groups of
    /// about `training.items_per_step`, because the loss depends on the number of negatives.
    pub held_out: usize,
    /// Number format of the merged model: `f32`, exactly as trained, or at half the size `bf16` or
    /// `f16`.
    pub export_precision: StoredFormat,
    /// Keys of the training loop. All items of a step are negatives of each other, whatever
    /// `tokens_per_batch` is: a step of several passes takes one more forward pass.
    pub training: LoopConfig<SimcseLoop>,
}

impl Default for SimcseConfig {
    fn default() -> Self {
        Self {
            temperature: 0.05,
            pooling: Pooling::Mean,
            attention: Attention::Bidirectional,
            max_length: 128,
            held_out: 256,
            export_precision: StoredFormat::F32,
            training: LoopConfig::default(),
        }
    }
}

/// Defaults of the loop: those of LLM2Vec (`train_configs/simcse`), 3e-5 with 300 steps of warm-up
/// and dropout 0.3.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct SimcseLoop;

impl LoopDefaults for SimcseLoop {
    fn defaults() -> LoopConfig<Self> {
        LoopConfig {
            max_steps: 1000,
            items_per_step: 128,
            learning_rate: 3e-5,
            warmup: 0.3,
            weight_decay: 0.0,
            lora_dropout: 0.3,
            evaluate_every: 100,
            ..LoopConfig::base()
        }
    }
}

impl SimcseConfig {
    /// Names of the sections of a config, for messages.
    pub const SECTION: &str = "llm2vec.simcse";
    pub(super) const LOOP_SECTION: &str = "llm2vec.simcse.training";

    /// Checks every value's range; errors name the key in `section`.
    pub fn validate(&self, section: &str) -> Result<(), ConfigError> {
        let ranges = Ranges(section);
        ranges.positive("temperature", self.temperature)?;
        ranges.count("max_length", self.max_length)?;
        let section = format!("{section}.training");
        self.training.validate(&section)?;
        let (items, dropout) = (self.training.items_per_step, self.training.lora_dropout);
        let expected = "at least 2, so that a sentence has negatives";
        Ranges(&section).check("items_per_step", items, items > 1, expected)?;
        let expected = "above 0: without dropout, the two views of a sentence are equal";
        Ranges(&section).check("lora_dropout", dropout, dropout > 0.0, expected)
    }

    /// The settings that determine what is learnt; all others have their defaults.
    pub fn deciding(&self) -> Self {
        Self {
            export_precision: StoredFormat::F32,
            training: self.training.deciding(),
            ..self.clone()
        }
    }
}
