//! The `[adapt]` section of a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipes::loop_config::{LoopConfig, LoopDefaults};
use crate::recipes::ranges::{ConfigError, Ranges};
use crate::run::Settings;

/// Beginning of the names of the projection's parameters.
pub const PROJECTION: &str = "up_projection.";

/// What is compared between the stack and the LLM itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdaptationLoss {
    /// The states that stand for whole documents.
    #[default]
    Pooled,
    /// Half of that, and half the states of words that are one token in both vocabularies.
    Aligned,
}

/// The projection before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectionStart {
    /// As PyTorch initialises a linear layer.
    #[default]
    Random,
    /// The linear map without a bias that takes the encoder's states of words to the LLM's
    /// embeddings of the same words with the least squared error.
    LeastSquares,
}

/// The defaults of [`AdaptConfig::training`].
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct AdaptationLoop;

impl LoopDefaults for AdaptationLoop {
    /// Those of the paper's code: one pass in steps of 256 documents, 2e-4 with 1 % warm-up and
    /// linear decay to 0, no clipping.
    fn defaults() -> LoopConfig<Self> {
        LoopConfig {
            items_per_step: 256,
            learning_rate: 2e-4,
            warmup: 0.01,
            max_grad_norm: 0.0,
            ..LoopConfig::base()
        }
    }
}

/// General adaptation, stage 1 of MT-LLM: the LLM learns from plain text to read the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// What is compared: `pooled` states of documents, or half of that and half the states of
    /// `aligned` tokens, words that are one token in both vocabularies.
    pub loss: AdaptationLoss,
    /// The projection before the first step: `random`, or `least-squares` from the encoder's states
    /// of words to the LLM's embeddings of them.
    pub projection: ProjectionStart,
    /// Peak learning rate of the projection and the layer mix; 0 takes that of `training`.
    pub projection_learning_rate: f64,
    /// The LLM reads a learned mix of the encoder's layers instead of the last layer.
    pub layer_mix: bool,
    /// Documents that are held out, at most half of all: the states of these decide when training
    /// ends and which checkpoint is kept.
    pub held_out: usize,
    /// Text that is read more than once: the LLM's and the encoder's states are kept on disk, each
    /// if they fit into this size together with those before.
    pub cache_gigabytes: f64,
    /// The training loop.
    pub training: LoopConfig<AdaptationLoop>,
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self {
            loss: AdaptationLoss::Pooled,
            projection: ProjectionStart::Random,
            projection_learning_rate: 0.0,
            layer_mix: false,
            held_out: 500,
            cache_gigabytes: 20.0,
            training: LoopConfig::default(),
        }
    }
}

impl AdaptConfig {
    /// Checks every value's range; errors name the key in `section`.
    pub fn validate(&self, section: &str) -> Result<(), ConfigError> {
        let ranges = Ranges(section);
        let expected = "a rate above 0, or 0 for that of training";
        let rate = self.projection_learning_rate;
        ranges.not_negative("projection_learning_rate", rate, expected)?;
        ranges.not_negative("cache_gigabytes", self.cache_gigabytes, "0 or more")?;
        self.training.validate(&format!("{section}.training"))
    }

    /// The settings that determine what is learnt; all others have their defaults.
    pub fn deciding(&self) -> Self {
        Self {
            cache_gigabytes: Self::default().cache_gigabytes,
            training: self.training.deciding(),
            ..self.clone()
        }
    }

    /// The settings of the loop.
    pub fn settings(&self) -> Settings {
        let settings = self.training.settings();
        if self.projection_learning_rate == 0.0 {
            return settings;
        }
        let factor = self.projection_learning_rate / self.training.learning_rate;
        let names = [PROJECTION, "layer_mix"];
        Settings {
            rate_factors: names.map(|name| (name.to_owned(), factor)).into(),
            ..settings
        }
    }

    /// Whether words have to be found that are one token in both vocabularies.
    pub(super) fn aligns(&self) -> bool {
        self.loss == AdaptationLoss::Aligned || self.projection == ProjectionStart::LeastSquares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_papers_code() {
        let config: AdaptConfig = toml::from_str("").unwrap();
        assert_eq!(config, AdaptConfig::default());
        let training = &config.training;
        assert_eq!(
            (training.items_per_step, training.learning_rate),
            (256, 2e-4)
        );
        assert_eq!((training.warmup, training.max_grad_norm), (0.01, 0.0));
        assert!(config.settings().rate_factors.is_empty());
        assert_eq!(config.validate("adapt"), Ok(()));
    }

    #[test]
    fn the_projection_can_learn_at_a_rate_of_its_own() {
        let text = "projection_learning_rate = 1e-3\nprojection = \"least-squares\"\n\
                    [training]\nlearning_rate = 4e-4";
        let config: AdaptConfig = toml::from_str(text).unwrap();
        assert_eq!(config.projection, ProjectionStart::LeastSquares);
        let factors = config.settings().rate_factors;
        assert_eq!(factors[0].0, "up_projection.");
        assert!((factors[0].1 - 2.5).abs() < 1e-12);
        let wrong = AdaptConfig {
            projection_learning_rate: -1.0,
            ..config
        };
        let error = wrong.validate("adapt").unwrap_err().to_string();
        assert!(
            error.starts_with("adapt.projection_learning_rate = -1: must be"),
            "{error}"
        );
    }
}
