//! The peak learning rate: a number, or found by a rule from the size of a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, TrainConfig};
use crate::run::automatic_learning_rate;

/// The peak learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "LearningRateKey", into = "LearningRateKey")]
#[schemars(with = "LearningRateKey")]
pub enum LearningRate {
    /// Full fine-tuning: OpenChat's rule within the usual rates ([`Method::usual_rates`]). LoRA:
    /// QLoRA's rate for 7B models, which is higher for narrower ones, within the usual rates.
    #[default]
    Auto,
    /// As a published recipe finds it.
    Rule(Rule),
    /// As given.
    Value(f64),
}

/// A rule of a published recipe. All scale LLaMA's pre-training rate with the square root of the
/// size of a step ([`automatic_learning_rate`]); they differ in what they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Supervised tokens per step (Wang et al. 2023, arXiv 2309.11235).
    Openchat,
    /// A sixth of it, for Mistral.
    OpenchatMistral,
    /// Supervised tokens of a step of examples padded to `max_length`: `scripts/cal_lr.py` of
    /// LLaMA-Factory.
    LlamaFactory,
    /// A sixth of it, for Mistral.
    LlamaFactoryMistral,
}

/// How [`LearningRate`] is spelled in a config file: a number, or the name of a rule.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a number, or one of \"auto\", \"openchat\", \"openchat-mistral\", \"llama-factory\", \"llama-factory-mistral\""
)]
enum LearningRateKey {
    Value(f64),
    Auto(AutoKeyword),
    Rule(Rule),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AutoKeyword {
    Auto,
}

impl From<LearningRateKey> for LearningRate {
    fn from(key: LearningRateKey) -> Self {
        match key {
            LearningRateKey::Value(value) => LearningRate::Value(value),
            LearningRateKey::Auto(AutoKeyword::Auto) => LearningRate::Auto,
            LearningRateKey::Rule(rule) => LearningRate::Rule(rule),
        }
    }
}

impl From<LearningRate> for LearningRateKey {
    fn from(rate: LearningRate) -> Self {
        match rate {
            LearningRate::Value(value) => LearningRateKey::Value(value),
            LearningRate::Auto => LearningRateKey::Auto(AutoKeyword::Auto),
            LearningRate::Rule(rule) => LearningRateKey::Rule(rule),
        }
    }
}

/// What Mistral's rate is divided by, in OpenChat and in LLaMA-Factory.
const MISTRAL: f64 = 6.0;

/// QLoRA's rate for models of 7 billion weights (Dettmers et al. 2023, arXiv 2305.14314), and their
/// width. It was found for steps of 16 examples, and does not depend on their size: small steps at
/// OpenChat's rate are too few to learn which language is asked for.
const QLORA: f64 = 2e-4;
const QLORA_WIDTH: f64 = 4096.0;

impl Method {
    /// Lowest and highest rate of usual recipes.
    pub const fn usual_rates(self) -> (f64, f64) {
        match self {
            Method::Full => (1e-5, 1e-4),
            Method::Lora => (1e-4, 1e-3),
        }
    }
}

impl TrainConfig {
    /// The peak learning rate for steps of `tokens` supervised answer tokens on average, which are
    /// the `share` of all tokens, and a model of this `width`.
    pub fn peak_learning_rate(&self, tokens: f64, share: f64, width: usize) -> f64 {
        let openchat = automatic_learning_rate(tokens);
        let padded = self.examples_per_step as f64 * self.max_length as f64 * share;
        let llama_factory = automatic_learning_rate(padded);
        match self.learning_rate {
            LearningRate::Value(value) => value,
            LearningRate::Auto => {
                let (least, most) = self.method.usual_rates();
                let rate = match self.method {
                    Method::Full => openchat,
                    // Narrower models bear higher rates (Schulman et al. 2025, "LoRA Without
                    // Regret"); the exponent fits 5e-4 at width 576.
                    Method::Lora => QLORA * (QLORA_WIDTH / width as f64).sqrt(),
                };
                rate.clamp(least, most)
            }
            LearningRate::Rule(Rule::Openchat) => openchat,
            LearningRate::Rule(Rule::OpenchatMistral) => openchat / MISTRAL,
            LearningRate::Rule(Rule::LlamaFactory) => llama_factory,
            LearningRate::Rule(Rule::LlamaFactoryMistral) => llama_factory / MISTRAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(method: Method, learning_rate: LearningRate, tokens: f64) -> f64 {
        let config = TrainConfig {
            method,
            learning_rate,
            ..TrainConfig::default()
        };
        config.peak_learning_rate(tokens, 0.3, 4096)
    }

    #[test]
    fn the_automatic_rate_suits_the_method_and_grows_with_the_step() {
        let auto = |method, tokens| peak(method, LearningRate::Auto, tokens);
        assert_eq!(auto(Method::Full, 700.0), 1e-5);
        assert!((auto(Method::Full, 40_000.0) - 3e-5).abs() < 1e-12);
        assert_eq!(auto(Method::Full, 4e6), 1e-4);
    }

    #[test]
    fn the_automatic_rate_of_adapters_falls_with_the_width() {
        let config = TrainConfig {
            method: Method::Lora,
            ..TrainConfig::default()
        };
        let auto = |tokens, width| config.peak_learning_rate(tokens, 0.3, width);
        for tokens in [700.0, 40_000.0] {
            assert_eq!(auto(tokens, 4096), 2e-4);
        }
        // SmolLM2-135M, Llama-3.2-1B, Llama-3-70B, a toy.
        for (width, rate) in [(576, 5.33e-4), (2048, 2.83e-4), (8192, 1.41e-4), (32, 1e-3)] {
            let found = auto(700.0, width);
            assert!((found / rate - 1.0).abs() < 0.01, "{width}: {found}");
        }
    }

    #[test]
    fn the_rules_of_papers_can_be_chosen() {
        let of = |rule| peak(Method::Full, LearningRate::Rule(rule), 1040.0);
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.01;
        // 16 examples of 65 supervised tokens; padded to 1,024 of which 0.3 are supervised.
        assert!(near(of(Rule::Openchat), 4.84e-6));
        assert!(near(of(Rule::LlamaFactory), 1.05e-5));
        assert!(near(of(Rule::OpenchatMistral), 4.84e-6 / 6.0));
        assert!(near(of(Rule::LlamaFactoryMistral), 1.05e-5 / 6.0));
        let text = "learning_rate = \"llama-factory\"";
        let config: TrainConfig = toml::from_str(text).unwrap();
        assert_eq!(config.learning_rate, LearningRate::Rule(Rule::LlamaFactory));
        assert!(toml::to_string(&config).unwrap().contains(text));
    }
}
