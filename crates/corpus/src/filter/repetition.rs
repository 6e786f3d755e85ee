//! Translations that loop.

use super::Rule;
use super::pair::Pair;
use crate::repetition::{added, compresses_beyond};

/// The translation repeats itself (Zeng et al. 2021: repeated n-grams), as a whole or within a
/// sentence, and its source does not.
pub(super) struct Repetition;

impl Rule for Repetition {
    fn reason(&self) -> &'static str {
        "repetition"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let (source, translation) = (&pair.source.plain, &pair.translation.plain);
        added(source, translation).or_else(|| {
            // In a long text, a single looping sentence hardly shows.
            let mut sentences = translation
                .lines()
                .filter(|_| translation.lines().nth(1).is_some());
            sentences.find_map(|sentence| compresses_beyond(source.lines(), sentence))
        })
    }
}
