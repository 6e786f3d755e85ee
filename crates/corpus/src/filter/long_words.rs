//! Words too long for any language.

use super::Rule;
use super::pair::Pair;

/// A word is too long (Zeng et al. 2021) and does not occur in the source. Languages written
/// without spaces are exempt.
pub(super) struct LongWords {
    /// Maximum number of letters of a word.
    pub(super) max: usize,
}

impl Rule for LongWords {
    fn reason(&self) -> &'static str {
        "long_word"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_word_length")
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
