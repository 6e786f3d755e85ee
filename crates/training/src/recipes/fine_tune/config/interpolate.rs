//! The share of the change by training that the exported model keeps: a number, or found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the exported model is from the one before training towards the trained one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "InterpolateKey", into = "InterpolateKey")]
#[schemars(with = "InterpolateKey")]
pub enum Interpolate {
    /// The share with the lowest held-out loss in both languages.
    Auto,
    /// This share.
    Share(f64),
}

/// How [`Interpolate`] is spelled in a config file: a number, or the word `auto`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number from 0 to 1, or \"auto\"")]
enum InterpolateKey {
    Share(f64),
    Auto(AutoKeyword),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AutoKeyword {
    Auto,
}

impl From<InterpolateKey> for Interpolate {
    fn from(key: InterpolateKey) -> Self {
        match key {
            InterpolateKey::Share(share) => Interpolate::Share(share),
            InterpolateKey::Auto(AutoKeyword::Auto) => Interpolate::Auto,
        }
    }
}

impl From<Interpolate> for InterpolateKey {
    fn from(interpolate: Interpolate) -> Self {
        match interpolate {
            Interpolate::Share(share) => InterpolateKey::Share(share),
            Interpolate::Auto => InterpolateKey::Auto(AutoKeyword::Auto),
        }
    }
}

impl std::fmt::Display for Interpolate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Interpolate::Auto => f.write_str("auto"),
            Interpolate::Share(share) => share.fmt(f),
        }
    }
}
