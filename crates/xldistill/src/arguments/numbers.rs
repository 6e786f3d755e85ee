//! Numbers on the command line, in the ranges that they have in a config.

use std::ops::RangeFrom;

use clap::builder::RangedU64ValueParser;
use engines::choice::KeyError;
use engines::local_llm::check_sampling;

/// A count of what is done at once or at most: with 0, nothing would be done.
pub fn count() -> RangedU64ValueParser<usize> {
    let from_one: RangeFrom<u64> = 1..;
    RangedU64ValueParser::new().range(from_one)
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
