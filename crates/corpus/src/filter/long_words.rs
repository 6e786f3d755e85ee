//! Words that no language has.

use super::Rule;
use super::pair::Pair;

/// A word is too long (Zeng et al. 2021) and not one of the source. Languages that write without
/// spaces are exempt.
pub(super) struct LongWords {
    /// Letters of the longest word that passes.
    pub(super) max: usize,
}

impl Rule for LongWords {
    fn reason(&self) -> &'static str {
        "long_word"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        if pair.translation.language().writes_without_spaces() {
            return None;
        }
        let too_long = |word: &&str| word.len() > self.max && word.chars().count() > self.max;
        let word = pair.translation.words().find(too_long)?;
        (!pair.source.text.contains(word)).then(|| {
            let beginning: String = word.chars().take(self.max).collect();
            format!("{beginning:?}… has {} letters", word.chars().count())
        })
    }
}
