//! LoRA on a Llama: which layers are adapted, attaching, merging.

use std::convert::Infallible;

use burn::module::Module;

use super::Llama;
use crate::linear::Linear;

/// All linear layers of a block, by the last part of their names.
pub const LINEAR_LAYERS: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// How adapters are attached. Names are PEFT's.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Rank of A and B.
    pub r: usize,
    /// Scaling numerator α.
    pub lora_alpha: f64,
    /// Share of inputs dropped in training.
    pub lora_dropout: f64,
    /// Layers by the last part of their names.
    pub target_modules: Vec<String>,
    /// Scale by α / √r instead of α / r (Kalajdzievski 2023, arXiv 2312.03732).
    pub use_rslora: bool,
}

impl Default for LoraConfig {
    /// Rank 16, α 32, dropout 0.05, all linear layers.
    fn default() -> Self {
        Self {
            r: 16,
            lora_alpha: 32.0,
            lora_dropout: 0.05,
            target_modules: LINEAR_LAYERS.map(String::from).into(),
            use_rslora: false,
        }
    }
}

impl LoraConfig {
    /// The factor on B·A.
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    fn adapts(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.target_modules.iter().any(|target| target == last)
    }
}

/// Adapters cannot be attached as configured.
#[derive(Debug, thiserror::Error)]
pub enum LoraTargetError {
    /// The rank is zero.
    #[error("LoRA rank is 0; choose 1 or more, e.g. 16")]
    Rank,
    /// A target names no layer.
    #[error("LoRA target `{0}` is not a linear layer of a Llama; there are {LINEAR_LAYERS:?}")]
    Target(String),
}

impl Llama {
    /// Freezes the model and attaches fresh adapters; A is drawn from `seed`.
    pub fn apply_lora(self, config: &LoraConfig, seed: u64) -> Result<Self, LoraTargetError> {
        if config.r == 0 {
            return Err(LoraTargetError::Rank);
        }
        let unknown = config
            .target_modules
            .iter()
            .find(|name| !LINEAR_LAYERS.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(LoraTargetError::Target(name.clone()));
        }
        self.device().seed(seed);
        Ok(self.freeze().map_linears(|name, layer| {
            if config.adapts(name) {
                layer.with_lora(config.r, config.scale(), config.lora_dropout)
            } else {
                layer
            }
        }))
    }

    /// The model with all adapters added into their weights.
    pub fn merge_lora(self) -> Self {
        self.map_linears(|_, layer| layer.merged())
    }

    /// Whether any layer has an adapter.
    pub fn has_lora(&self) -> bool {
        let mut layers = self.model.layers.iter().flat_map(|block| block.linears());
        layers.any(|layer| layer.lora.is_some())
    }

    /// Replaces each linear layer of the blocks; the closure sees its full name.
    pub(crate) fn map_linears(mut self, mut map: impl FnMut(&str, Linear) -> Linear) -> Self {
        let blocks = std::mem::take(&mut self.model.layers);
        let blocks = blocks.into_iter().enumerate().map(|(index, block)| {
            let mapped = block.map_linears(|name, layer| {
                Ok::<_, Infallible>(map(&format!("model.layers.{index}.{name}"), layer))
            });
            mapped.unwrap_or_else(|never| match never {})
        });
        self.model.layers = blocks.collect();
        self
    }
}
