//! Addresses, placeholders and code lost in translation.

use super::Rule;
use super::pair::Pair;

/// A protected span of the source is missing from the translation.
pub(super) struct ProtectedLost;

impl Rule for ProtectedLost {
    fn reason(&self) -> &'static str {
        "protected_lost"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let lost = pair
            .source
            .protected
            .iter()
            .find(|span| !pair.translation.text.contains(**span));
        lost.map(|span| format!("{span:?} is missing"))
    }
}
