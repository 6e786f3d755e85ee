//! Checks that the values of a section of a config are within their ranges.

use std::borrow::Cow;
use std::fmt::Display;

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
    /// The accepted values, and what was probably meant.
    pub expected: Cow<'static, str>,
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
        expected: impl Into<Cow<'static, str>>,
    ) -> Result<(), ConfigError> {
        match valid {
            true => Ok(()),
            false => Err(ConfigError {
                section: self.0.to_owned(),
                key,
                value: value.to_string(),
                expected: expected.into(),
            }),
        }
    }

    /// At least 1.
    pub fn count(self, key: &'static str, n: usize) -> Result<(), ConfigError> {
        self.check(key, n, n > 0, "at least 1")
    }

    /// Between 0 and 1, both included.
    pub fn share(self, key: &'static str, x: f64) -> Result<(), ConfigError> {
        let within = (0.0..=1.0).contains(&x);
        self.check(key, x, within, with_percent("between 0 and 1", x))
    }

    /// At least 0 and below 1.
    pub fn fraction(self, key: &'static str, x: f64) -> Result<(), ConfigError> {
        let within = (0.0..1.0).contains(&x);
        self.check(key, x, within, with_percent("at least 0 and below 1", x))
    }

    /// The ratio of the larger to the smaller of two numbers: finite and at least 1.
    pub fn ratio(self, key: &'static str, x: f64) -> Result<(), ConfigError> {
        let within = x.is_finite() && x >= 1.0;
        self.check(key, x, within, "a number of at least 1")
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
}

/// `expected`, and what to write if `x` is a share in percent.
pub fn with_percent(expected: &'static str, x: f64) -> Cow<'static, str> {
    match (2.0..=100.0).contains(&x) {
        true => format!("{expected}; {} means {x} %", x / 100.0).into(),
        false => expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_in_percent_is_refused_with_what_was_meant() {
        let said = |x| {
            let checked = Ranges("filter").share("max_lost_numbers", x);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!((said(0.0), said(1.0)), (Ok(()), Ok(())));
        let percent = "filter.max_lost_numbers = 34: must be between 0 and 1; 0.34 means 34 %";
        assert_eq!(said(34.0), Err(percent.to_owned()));
        for (odd, written) in [(-0.1, "-0.1"), (1.1, "1.1"), (f64::NAN, "NaN")] {
            let error = format!("filter.max_lost_numbers = {written}: must be between 0 and 1");
            assert_eq!(said(odd), Err(error));
        }
    }

    #[test]
    fn a_ratio_is_finite_and_at_least_1() {
        let ratio = |x| Ranges("filter").ratio("max_length_ratio", x);
        assert_eq!(ratio(1.0), Ok(()));
        for odd in [0.99, 0.0, f64::NAN, f64::INFINITY] {
            assert!(ratio(odd).is_err(), "{odd}");
        }
    }
}
