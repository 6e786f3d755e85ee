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
        let sentences = pair.translation.prose.iter();
        let word = sentences
            .flat_map(|sentence| sentence.split_whitespace())
            .filter(|word| word.len() > self.max && !pair.source.text.contains(word))
            .find(|word| word.chars().count() > self.max)?;
        let beginning: String = word.chars().take(self.max).collect();
        Some(format!(
            "{beginning:?}… has {} letters",
            word.chars().count()
        ))
    }
}
