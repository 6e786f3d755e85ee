//! Rotary frequencies, and their scaling to longer contexts.

use serde_json::{Map, Value, json};

use crate::config_error::ConfigError;

/// Scaling of rotary frequencies to longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// All frequencies divided by `factor` (Chen et al. 2023, arXiv 2306.15595).
    Linear {
        /// Stretch of the context.
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, with a ramp in between: Llama 3.1 and
    /// later.
    Llama3 {
        /// Stretch of the context.
        factor: f64,
        /// Wavelengths above original context / this are scaled fully.
        low_freq_factor: f64,
        /// Wavelengths below original context / this are kept.
        high_freq_factor: f64,
        /// Context length of the original training.
        original_max_position_embeddings: usize,
    },
    /// An explicit divisor for each frequency, as in GGUF's `rope_freqs.weight`.
    Divisors(Vec<f32>),
}

impl RopeScaling {
    /// Reads `rope_scaling` (`type` in old files) or the same keys in `rope_parameters`.
    pub(crate) fn from_json(written: &Map<String, Value>) -> Result<Option<Self>, ConfigError> {
        let number = |key: &'static str| {
            let value = written.get(key).ok_or(ConfigError::Missing(key))?;
            match value.as_f64() {
                Some(number) if number.is_finite() && number > 0.0 => Ok(number),
                _ => Err(ConfigError::Unsupported {
                    key,
                    value: value.to_string(),
                    supported: "write a number above 0",
                }),
            }
        };
        let kind = written
            .get("rope_type")
            .or_else(|| written.get("type"))
            .and_then(Value::as_str);
        match kind {
            // Dynamic scaling affects only sequences beyond the trained context, which are refused.
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
                supported: "use \"default\", \"linear\", \"dynamic\" or \"llama3\"",
            }),
        }
    }

    /// The scheme of these divisors: Llama 3's if they are those of Llama 3.1 (factor 8) or 3.2
    /// (factor 32), so that an exported model names it; otherwise the divisors themselves.
    pub(crate) fn of_divisors(
        divisors: Vec<f32>,
        theta: f64,
        head_dim: usize,
    ) -> Result<Self, ConfigError> {
        let factor = divisors.iter().copied().fold(1.0, f32::max);
        let scheme = Self::Llama3 {
            factor: f64::from(factor),
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let stored = Self::Divisors(divisors);
        stored.check(head_dim)?;
        let named = inverse_frequencies(theta, head_dim, Some(&scheme));
        let found = inverse_frequencies(theta, head_dim, Some(&stored));
        let mut pairs = found.iter().zip(&named);
        let same = pairs.all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs());
        Ok(if same { scheme } else { stored })
    }

    /// The divisor of each frequency of the base `theta`, as in GGUF's `rope_freqs.weight`; `None`
    /// if all frequencies are divided by the same factor.
    pub(crate) fn divisors(&self, theta: f64, head_dim: usize) -> Option<Vec<f32>> {
        match self {
            Self::Linear { .. } => None,
            Self::Divisors(divisors) => Some(divisors.clone()),
            Self::Llama3 { .. } => {
                let [plain, scaled] =
                    [None, Some(self)].map(|scaling| inverse_frequencies(theta, head_dim, scaling));
                let pairs = plain.iter().zip(&scaled);
                Some(pairs.map(|(plain, scaled)| plain / scaled).collect())
            }
        }
    }

    /// Fails if it does not match heads of this size.
    pub(crate) fn check(&self, head_dim: usize) -> Result<(), ConfigError> {
        match self {
            Self::Divisors(divisors) if divisors.len() != head_dim / 2 => {
                Err(ConfigError::Inconsistent(format!(
                    "{} rotary frequency divisors for heads of {head_dim}",
                    divisors.len()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The settings that Transformers reads; explicit divisors have no counterpart there.
    pub(crate) fn to_json(&self) -> Result<Value, ConfigError> {
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
                    value: "a set of divisors that matches no scheme of Transformers".into(),
                    supported: "export from the model's Hugging Face directory instead",
                });
            }
        })
    }
}

/// Rotary frequencies of the head_dim / 2 pairs of a head, after scaling.
pub(crate) fn inverse_frequencies(
    theta: f64,
    head_dim: usize,
    scaling: Option<&RopeScaling>,
) -> Vec<f32> {
    let plain = (0..head_dim / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / head_dim as f64));
    match scaling {
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
                // Rotations at this frequency within the original context.
                let turns = *original as f64 / wavelength;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (frequency * (kept + (1.0 - kept) / factor)) as f32
            })
            .collect(),
    }
}
