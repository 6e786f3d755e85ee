//! Checks that the values of a section of a config are within their ranges.

use std::fmt::Display;

use kernels::Precision;

/// Error returned for a value of a config that is out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{section}.{key} = {value}: must be {expected}")]
pub struct ConfigError {
    /// The section, such as `train` or `adapt.training`.
    pub section: String,
    /// The key.
    pub key: &'static str,
    /// Its value as written.
    pub value: String,
    /// The accepted values.
    pub expected: &'static str,
}

/// Checks of the section of this name.
#[derive(Debug, Clone, Copy)]
pub struct Ranges<'a>(pub &'a str);

impl Ranges<'_> {
    /// Fails unless `valid`.
    pub fn check(
        self,
        key: &'static str,
        value: impl Display,
        valid: bool,
        expected: &'static str,
    ) -> Result<(), ConfigError> {
        match valid {
            true => Ok(()),
            false => Err(ConfigError {
                section: self.0.to_owned(),
                key,
                value: value.to_string(),
                expected,
            }),
        }
    }

    /// At least 1.
    pub fn count(self, key: &'static str, n: usize) -> Result<(), ConfigError> {
        self.check(key, n, n > 0, "at least 1")
    }

    /// The rank of an adapter: above 8192 it has more weights than the layers it adapts.
    pub fn rank(self, key: &'static str, n: usize) -> Result<(), ConfigError> {
        self.check(key, n, (1..=8192).contains(&n), "from 1 to 8192")
    }

    /// At least 0 and below 1.
    pub fn fraction(self, key: &'static str, x: f64) -> Result<(), ConfigError> {
        let within = (0.0..1.0).contains(&x);
        self.check(key, x, within, "at least 0 and below 1")
    }

    /// Finite and above 0.
    pub fn positive(self, key: &'static str, x: f64) -> Result<(), ConfigError> {
        self.check(key, x, x.is_finite() && x > 0.0, "a number above 0")
    }

    /// Finite and at least 0.
    pub fn not_negative(
        self,
        key: &'static str,
        x: f64,
        expected: &'static str,
    ) -> Result<(), ConfigError> {
        self.check(key, x, x.is_finite() && x >= 0.0, expected)
    }

    /// GPUs compute in f32 only.
    pub fn precision_on(self, cpu: bool, precision: Precision) -> Result<(), ConfigError> {
        let possible = cpu || precision == Precision::F32;
        let expected = "f32 on a GPU, where no other format is supported; or set device = \"cpu\"";
        self.check("precision", precision, possible, expected)
    }
}
