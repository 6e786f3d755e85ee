//! Numbers on the command line, in the ranges that they have in a config.

use std::str::FromStr;

use engines::choice::KeyError;
use engines::local_llm::check_sampling;

/// A count of what is done at once or at most: with 0, nothing would be done.
pub fn count<N: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let number: Option<N> = text.parse().ok();
    let number = number.filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

/// The order of word n-grams: far above it, every text would be one n-gram.
pub fn word_order(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    let number = number.filter(|number| *number <= 100);
    number.ok_or_else(|| "expected a whole number from 0 to 100".to_owned())
}

/// The temperature of sampling.
pub fn temperature(text: &str) -> Result<f32, String> {
    checked(text, |temperature| check_sampling(temperature, 1.0))
}

/// The probability of the tokens that are sampled from.
pub fn top_p(text: &str) -> Result<f32, String> {
    checked(text, |top_p| check_sampling(0.0, top_p))
}

fn checked(text: &str, check: impl FnOnce(f32) -> Result<(), KeyError>) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    check(number).map_err(|error| error.message)?;
    Ok(number)
}
