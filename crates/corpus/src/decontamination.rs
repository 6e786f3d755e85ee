//! Finds text of evaluation sets in training text, so that the model is not trained on what it is
//! tested on.
//!
//! A text is contaminated if it shares a run of 13 words with an evaluation text (as in GPT-3's
//! analysis), contains a short evaluation text, or is one. Case, punctuation and spacing do not
//! matter. Scripts without spaces are compared by runs of characters. Only the evaluation texts are
//! kept in memory, as hashes.

mod files;
mod symbols;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use symbols::{Kind, Symbols, windows};

/// How long shared runs must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NgramSizes {
    /// In words.
    pub words: usize,
    /// In characters, for text in scripts without spaces.
    pub characters: usize,
}

impl Default for NgramSizes {
    /// 13 words; 30 characters, which hold about as much in Japanese and Chinese.
    fn default() -> Self {
        Self {
            words: 13,
            characters: 30,
        }
    }
}

/// An evaluation text shorter than a run is looked for inside other texts only from this share of a
/// run on: `What is it?` occurs in too many.
const LEAST_SHARE: f64 = 0.6;
/// The texts of evaluation sets, as hashes of their runs.
#[derive(Debug, Clone)]
pub struct EvaluationIndex {
    sizes: NgramSizes,
    /// Names of the sets.
    names: Vec<String>,
    words: Runs,
    characters: Runs,
    texts: u64,
    content: blake3::Hasher,
}

/// Overlap of a text with an evaluation set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap<'i> {
    /// Name of the set.
    pub set: &'i str,
    /// The first shared run, as written in the text.
    pub run: String,
}

/// Hashes of runs of one kind of symbol.
#[derive(Debug, Clone, Default)]
struct Runs {
    /// The set that each run belongs to, by length and hash of the run.
    of_length: FxHashMap<usize, FxHashMap<u64, u32>>,
    /// The same for whole texts.
    whole: FxHashMap<u64, u32>,
}

impl EvaluationIndex {
    /// An empty index.
    pub fn new(sizes: NgramSizes) -> Self {
        Self {
            sizes,
            names: Vec::new(),
            words: Runs::default(),
            characters: Runs::default(),
            texts: 0,
            content: blake3::Hasher::new(),
        }
    }

    /// Adds texts of the evaluation set `name`.
    pub fn add<'t>(&mut self, name: &str, texts: impl IntoIterator<Item = &'t str>) {
        let set = self.names.len() as u32;
        self.names.push(name.to_owned());
        for text in texts {
            self.texts += 1;
            self.content.update(&(text.len() as u64).to_le_bytes());
            self.content.update(text.as_bytes());
            let symbols = Symbols::of(text);
            let size = self.size(symbols.kind);
            let runs = match symbols.kind {
                Kind::Words => &mut self.words,
                Kind::Characters => &mut self.characters,
            };
            let length = symbols.hashes.len();
            if length >= symbols.kind.least() {
                runs.whole.entry(symbols.whole()).or_insert(set);
            }
            let window = size.min(length);
            if window > 0 && window as f64 >= LEAST_SHARE * size as f64 {
                let known = runs.of_length.entry(window).or_default();
                windows(&symbols.hashes, window, |_, hash| {
                    known.entry(hash).or_insert(set);
                    false
                });
            }
        }
    }

    /// Number of texts.
    pub fn len(&self) -> u64 {
        self.texts
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts == 0
    }

    /// Hash of the texts and sizes, used in the hashes of everything made with them.
    pub fn content_hash(&self) -> String {
        let mut hasher = self.content.clone();
        hasher.update(&(self.sizes.words as u64).to_le_bytes());
        hasher.update(&(self.sizes.characters as u64).to_le_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// Overlap of `text` with an evaluation set, in time linear in its length.
    pub fn overlap(&self, text: &str) -> Option<Overlap<'_>> {
        let symbols = Symbols::of(text);
        let runs = match symbols.kind {
            Kind::Words => &self.words,
            Kind::Characters => &self.characters,
        };
        let found = |set: u32, run: String| Overlap {
            set: &self.names[set as usize],
            run,
        };
        if symbols.hashes.len() >= symbols.kind.least()
            && let Some(&set) = runs.whole.get(&symbols.whole())
        {
            return Some(found(set, text.trim().to_owned()));
        }
        let mut lengths: Vec<_> = runs.of_length.iter().collect();
        lengths.sort_unstable_by_key(|(length, _)| std::cmp::Reverse(**length));
        lengths.into_iter().find_map(|(&length, known)| {
            let mut first = None;
            windows(&symbols.hashes, length, |start, hash| {
                first = known.get(&hash).map(|&set| (start, set));
                first.is_some()
            });
            let (start, set) = first?;
            Some(found(set, symbols.text(text, start..start + length)))
        })
    }

    fn size(&self, kind: Kind) -> usize {
        match kind {
            Kind::Words => self.sizes.words,
            Kind::Characters => self.sizes.characters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> EvaluationIndex {
        let mut index = EvaluationIndex::new(NgramSizes::default());
        index.add("held out", texts.iter().copied());
        index
    }

    const PASSAGE: &str = "The Sun doesn't have a crust like the Earth that you can stand on. \
                           The whole Sun is made out of gases, fire, and plasma.";

    #[test]
    fn a_run_of_thirteen_words_is_found_whatever_its_punctuation() {
        let index = index(&[PASSAGE]);
        let text = "Summarise: the SUN doesn't have a crust — like the Earth that you can stand on";
        let overlap = index.overlap(text).expect("an overlap");
        assert_eq!(overlap.set, "held out");
        assert!(
            overlap.run.starts_with("the SUN doesn't have a crust"),
            "{}",
            overlap.run
        );
        // Twelve words are too common ("doesn't" counts as two).
        assert_eq!(
            index.overlap("the sun doesn't have a crust like the Earth that you"),
            None
        );
    }

    #[test]
    fn short_evaluation_texts_are_found_whole() {
        let index = index(&[
            "Who wrote the novel War and Peace?",
            "What is the capital city of France today?",
            "Yes.",
        ]);
        assert!(index.overlap("who wrote the novel war and peace").is_some());
        // Seven words count only as a whole text; eight also inside another text.
        assert_eq!(
            index.overlap("Tell me: who wrote the novel war and peace, please"),
            None
        );
        assert!(
            index
                .overlap("Tell me: What is the capital city of France today?")
                .is_some()
        );
        assert_eq!(index.overlap("Yes."), None);
        assert_eq!(index.overlap(""), None);
    }

    #[test]
    fn scripts_without_spaces_are_compared_by_characters() {
        let japanese = "太陽には地球のように立つことができる地殻がありません。太陽全体はガス、火、プラズマでできています。";
        let index = index(&[japanese]);
        assert!(
            index
                .overlap(&format!("次の文を要約してください。{japanese}"))
                .is_some()
        );
        let part: String = japanese.chars().take(20).collect();
        assert_eq!(index.overlap(&part), None);
    }

    #[test]
    fn the_content_hash_follows_texts_and_sizes() {
        let one = index(&["a", "b"]).content_hash();
        assert_ne!(one, index(&["ab"]).content_hash());
        let mut other = EvaluationIndex::new(NgramSizes {
            words: 8,
            ..NgramSizes::default()
        });
        other.add("held out", ["a", "b"]);
        assert_ne!(one, other.content_hash());
    }
}
