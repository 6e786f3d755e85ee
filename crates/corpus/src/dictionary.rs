//! Bilingual dictionaries for code-switching (Dict of Eq. 5): read, merged, inverted or induced.

pub mod coverage;
mod dictd;
mod glosses;
pub mod induced;
mod lines;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::source::SourceError;

/// Maximum number of words in a translation of a single word.
const MAX_TRANSLATION_WORDS: usize = 3;

/// Words of one language and their translations into another.
///
/// Lookups ignore case. A word that is its own translation is left out, since replacing it would
/// change nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    entries: FxHashMap<String, Vec<String>>,
}

/// Result of reading a dictionary file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The dictionary.
    pub dictionary: Dictionary,
    /// Number of entries usable for code-switching.
    pub used: usize,
    /// Number of entries that are not: headwords of several words, words that translate to
    /// themselves, definitions instead of translations.
    pub unused: usize,
    /// Number of lines or entries that could not be read.
    pub malformed: usize,
}

/// Error returned when a dictionary cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DictionaryError {
    /// A file could not be read.
    #[error("cannot read the dictionary {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A text file cannot be read, or is in another encoding.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file is not a dictionary in a known format.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem, and the expected format.
        message: String,
    },
}

impl Dictionary {
    /// Reads a dictionary; its format follows from its name: dictd (`NAME.index` or `NAME.dict.dz`,
    /// with the other next to it), `.csv`, otherwise lines of `word TAB translation` or MUSE's `word
    /// translation`. A cell of several words, as in `lemon TAB limão, lima (f)`, is split.
    pub fn load(path: &Path) -> Result<Loaded, DictionaryError> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut loaded = Loaded::default();
        match ["index", "dict.dz", "dict"]
            .iter()
            .find_map(|e| name.strip_suffix(&format!(".{e}")))
        {
            Some(stem) => dictd::read(path, stem, &mut loaded)?,
            None => lines::read(path, &mut loaded)?,
        }
        if loaded.dictionary.is_empty() {
            return Err(DictionaryError::Format {
                path: path.to_owned(),
                message: format!(
                    "no entry that could be used ({} unused, {} malformed); expected `word TAB translation` lines \
                     or a dictd dictionary",
                    loaded.unused, loaded.malformed
                ),
            });
        }
        Ok(loaded)
    }

    /// Translations of `word`, in the order in which they were added; empty if there are none.
    pub fn translations(&self, word: &str) -> &[String] {
        let found = if word.chars().any(char::is_uppercase) {
            self.entries.get(&word.to_lowercase())
        } else {
            self.entries.get(word)
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Adds a translation. Returns whether it is usable: a single word, with a translation of a few
    /// words other than the word itself.
    pub fn insert(&mut self, word: &str, translation: &str) -> bool {
        let (word, translation) = (word.trim().to_lowercase(), translation.trim());
        let words = translation.split_whitespace().count();
        let serves = !word.is_empty()
            && !word.contains(char::is_whitespace)
            && word.contains(char::is_alphabetic)
            && (1..=MAX_TRANSLATION_WORDS).contains(&words)
            && translation.contains(char::is_alphabetic)
            && translation.to_lowercase() != word;
        if serves {
            let translations = self.entries.entry(word).or_default();
            if !translations.iter().any(|known| known == translation) {
                translations.push(translation.to_owned());
            }
        }
        serves
    }

    /// Adds the entries of `other` after the present ones.
    pub fn merge(&mut self, other: &Dictionary) {
        for (word, translations) in &other.entries {
            for translation in translations {
                self.insert(word, translation);
            }
        }
    }

    /// The dictionary of the opposite direction: every translation that is a single word, with the
    /// words it translates, in alphabetical order.
    pub fn inverted(&self) -> Dictionary {
        let mut inverted = Dictionary::default();
        for word in self.words() {
            for translation in &self.entries[word] {
                inverted.insert(translation, word);
            }
        }
        inverted
    }

    /// The words that have a translation, in alphabetical order.
    pub fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.entries.keys().map(String::as_str).collect();
        words.sort_unstable();
        words
    }

    /// Number of words that have a translation.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no word has a translation.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hash of all entries, used in the hash of everything made with them.
    pub fn revision(&self) -> String {
        let mut words: Vec<(&String, &Vec<String>)> = self.entries.iter().collect();
        words.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for (word, translations) in words {
            for text in [word].into_iter().chain(translations) {
                hasher.update(text.as_bytes()).update(b"\t");
            }
            hasher.update(b"\n");
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

/// A dictionary in both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BilingualDictionary {
    /// Words of the source language in the target language.
    pub source_to_target: Dictionary,
    /// Words of the target language in the source language.
    pub target_to_source: Dictionary,
}

impl BilingualDictionary {
    /// Both directions; an empty direction becomes the inverse of the other.
    pub fn new(source_to_target: Dictionary, target_to_source: Dictionary) -> Self {
        match (source_to_target.is_empty(), target_to_source.is_empty()) {
            (true, false) => Self {
                source_to_target: target_to_source.inverted(),
                target_to_source,
            },
            (false, true) => Self {
                target_to_source: source_to_target.inverted(),
                source_to_target,
            },
            _ => Self {
                source_to_target,
                target_to_source,
            },
        }
    }

    /// Words and their translations, for both directions.
    pub fn from_pairs(pairs: &[(String, String)]) -> Self {
        let mut dictionary = Self::default();
        for (word, translation) in pairs {
            dictionary.source_to_target.insert(word, translation);
            dictionary.target_to_source.insert(translation, word);
        }
        dictionary
    }

    /// Adds the entries of `other` in both directions.
    pub fn merge(&mut self, other: &BilingualDictionary) {
        self.source_to_target.merge(&other.source_to_target);
        self.target_to_source.merge(&other.target_to_source);
    }

    /// Hash of both directions.
    pub fn revision(&self) -> String {
        format!(
            "{}{}",
            self.source_to_target.revision(),
            self.target_to_source.revision()
        )
    }
}

impl Loaded {
    fn entry(&mut self, word: &str, translation: &str) {
        if self.dictionary.insert(word, translation) {
            self.used += 1;
        } else {
            self.unused += 1;
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, DictionaryError> {
    fs::read(path).map_err(|source| DictionaryError::Io {
        path: path.to_owned(),
        source,
    })
}
