//! Rotary frequencies, and how they are stretched to longer contexts.

use serde_json::{Map, Value, json};

use super::{ConfigError, LlamaConfig};

/// How rotary frequencies are stretched to longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// All frequencies divided by `factor` (Chen et al. 2023, arXiv 2306.15595).
    Linear {
        /// Stretch of the context.
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, a ramp between: Llama 3.1 and later.
    Llama3 {
        /// Stretch of the context.
        factor: f64,
        /// Wavelengths above original context / this are stretched fully.
        low_freq_factor: f64,
        /// Wavelengths below original context / this are kept.
        high_freq_factor: f64,
        /// Context the model was first trained with.
        original_max_position_embeddings: usize,
    },
    /// An explicit divisor of each frequency, as GGUF's `rope_freqs.weight` holds them.
    Divisors(Vec<f32>),
}

impl RopeScaling {
    /// Reads `rope_scaling` (`type` in old files) or the same keys in `rope_parameters`.
    pub(super) fn from_json(written: &Map<String, Value>) -> Result<Option<Self>, ConfigError> {
        let number = |key: &'static str| {
            written
                .get(key)
                .and_then(Value::as_f64)
                .ok_or(ConfigError::Missing(key))
        };
        let kind = written
            .get("rope_type")
            .or_else(|| written.get("type"))
            .and_then(Value::as_str);
        match kind {
            // Dynamic scaling acts on sequences beyond the trained context only, which are refused.
            None | Some("default" | "dynamic") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear {
                factor: number("factor")?,
            })),
            Some("llama3") => Ok(Some(RopeScaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original_max_position_embeddings: number("original_max_position_embeddings")?
                    as usize,
            })),
            Some(other) => Err(ConfigError::Unsupported {
                key: "rope_scaling",
                value: format!("{other:?}"),
                supported: "read are \"default\", \"linear\", \"dynamic\" and \"llama3\"",
            }),
        }
    }

    /// What Transformers reads; explicit divisors have no counterpart there.
    pub(super) fn to_json(&self) -> Result<Value, ConfigError> {
        Ok(match self {
            Self::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
            Self::Divisors(_) => {
                return Err(ConfigError::Unsupported {
                    key: "rope_freqs.weight",
                    value: "a set of divisors that no scheme of Transformers gives".into(),
                    supported: "export from the model's Hugging Face directory instead",
                });
            }
        })
    }
}

impl LlamaConfig {
    /// Rotary frequencies of the head_dim / 2 pairs, scaling applied.
    pub fn inverse_frequencies(&self) -> Vec<f32> {
        let plain = (0..self.head_dim / 2)
            .map(|i| 1.0 / self.rope_theta.powf(2.0 * i as f64 / self.head_dim as f64));
        match &self.rope_scaling {
            None => plain.map(|frequency| frequency as f32).collect(),
            Some(RopeScaling::Divisors(divisors)) => plain
                .zip(divisors)
                .map(|(f, divisor)| f as f32 / divisor)
                .collect(),
            Some(RopeScaling::Linear { factor }) => plain.map(|f| (f / factor) as f32).collect(),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            }) => plain
                .map(|frequency| {
                    let wavelength = std::f64::consts::TAU / frequency;
                    // Turns of this frequency within the original context.
                    let turns = *original as f64 / wavelength;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (frequency * (kept + (1.0 - kept) / factor)) as f32
                })
                .collect(),
        }
    }
}
