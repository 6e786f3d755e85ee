//! Translations that go round in circles.

use super::Rule;
use super::pair::Pair;
use crate::repetition::looping;

/// The translation repeats itself (Zeng et al. 2021: repeated n-grams) and its source does not.
pub(super) struct Repetition;

impl Rule for Repetition {
    fn reason(&self) -> &'static str {
        "repetition"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let repetition = looping(&pair.translation.plain)?;
        looping(&pair.source.plain)
            .is_none()
            .then(|| repetition.to_string())
    }
}
