//! LoRA adapters, and their configuration.

use burn::Tensor;
use burn::module::{Module, Param};

/// A low-rank adapter (Hu et al. 2021, arXiv 2106.09685): adds s·B·A to a frozen weight.
///
/// PEFT stores the matrices as `lora_A.weight` and `lora_B.weight`.
#[derive(Module, Debug)]
pub struct Lora {
    /// A [r, in].
    pub lora_a: Param<Tensor<2>>,
    /// B [out, r]; zero at the start, so that an untrained adapter changes nothing.
    pub lora_b: Param<Tensor<2>>,
    /// s = α / r, or α / √r with rank-stabilised scaling.
    pub scale: f64,
    /// Dropout rate of the inputs of A in training.
    pub dropout: f64,
}

/// Configuration of adapters. Names are those of PEFT.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Rank of A and B.
    pub r: usize,
    /// Scaling numerator α.
    pub lora_alpha: f64,
    /// Dropout rate of the inputs in training.
    pub lora_dropout: f64,
    /// Layers, by the last part of their names; all linear layers of the blocks if empty.
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
            target_modules: Vec::new(),
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

    /// Fails if the rank is 0 or a target is none of the layers with these names.
    pub(crate) fn check_targets(
        &self,
        names: impl Iterator<Item = String>,
    ) -> Result<(), LoraTargetError> {
        if self.r == 0 {
            return Err(LoraTargetError::Rank);
        }
        let mut known: Vec<String> = Vec::new();
        for name in names {
            let name = last_part(&name).to_owned();
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let mut targets = self.target_modules.iter();
        match targets.find(|target| !known.contains(target)).cloned() {
            None => Ok(()),
            Some(target) => Err(LoraTargetError::Target { target, known }),
        }
    }

    /// Whether the layer called `name` gets an adapter.
    pub(crate) fn adapts(&self, name: &str) -> bool {
        let targets = &self.target_modules;
        targets.is_empty() || targets.iter().any(|target| target == last_part(name))
    }
}

/// Error returned when adapters cannot be attached as configured.
#[derive(Debug, thiserror::Error)]
pub enum LoraTargetError {
    /// The rank is zero.
    #[error("LoRA rank is 0; choose 1 or more, e.g. 16")]
    Rank,
    /// A target does not match any layer.
    #[error("LoRA target `{target}` is not a linear layer of this model; its layers are {known:?}")]
    Target {
        /// The target.
        target: String,
        /// Names of the model's layers.
        known: Vec<String>,
    },
}

/// The part of a layer's name that targets refer to.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
