//! What a run was started with, so that nothing else is ever resumed by mistake.

use corpus::record::Example;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;

/// Identifies everything that decides what a run learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The configuration, in full.
    pub config: TrainConfig,
    /// Revision of the model trained from: a hash of its files.
    pub model: String,
    /// BLAKE3 of the training examples, in order.
    pub training_set: String,
    /// BLAKE3 of the held-out examples, in order.
    pub held_out_set: String,
}

impl Fingerprint {
    /// The fingerprint of a run over these inputs, from the model of revision `model`.
    pub fn new(config: &TrainConfig, model: &str, train: &[Example], held_out: &[Example]) -> Self {
        Self {
            config: config.clone(),
            model: model.to_string(),
            training_set: hash(train),
            held_out_set: hash(held_out),
        }
    }

    /// One line for each thing in which `self`, found on disk, differs from what is asked for now.
    pub fn differences(&self, now: &Fingerprint) -> Vec<String> {
        let mut differences = config_differences(&self.config, &now.config);
        if self.model != now.model {
            differences.push(format!("model was {}, is {}", self.model, now.model));
        }
        if self.training_set != now.training_set {
            differences.push("the training examples are others".to_string());
        }
        if self.held_out_set != now.held_out_set {
            differences.push("the held-out examples are others".to_string());
        }
        differences
    }
}

fn config_differences(then: &TrainConfig, now: &TrainConfig) -> Vec<String> {
    let object = |config| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => unreachable!("a config is a table of plain values"),
    };
    let (then, now) = (object(then), object(now));
    now.iter()
        .filter(|(key, value)| then.get(*key) != Some(value))
        .map(|(key, value)| {
            let was = then
                .get(key)
                .map_or("unset".to_string(), ToString::to_string);
            format!("{key} was {was}, is {value}")
        })
        .collect()
}

fn hash(examples: &[Example]) -> String {
    let mut hasher = blake3::Hasher::new();
    for example in examples {
        // Serialising into a hasher cannot fail: it is an infallible writer, and the record holds
        // strings and numbers only.
        serde_json::to_writer(&mut hasher, example).expect("a record is plain data");
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_with_both_values() {
        let then = Fingerprint::new(&TrainConfig::default(), "a@1", &[], &[]);
        let config = TrainConfig {
            epochs: 2,
            ..Default::default()
        };
        let mut now = Fingerprint::new(&config, "a@2", &[], &[]);
        now.training_set = "other".into();
        assert_eq!(
            then.differences(&now),
            [
                "epochs was 4, is 2",
                "model was a@1, is a@2",
                "the training examples are others"
            ]
        );
        assert!(then.differences(&then).is_empty());
    }
}
