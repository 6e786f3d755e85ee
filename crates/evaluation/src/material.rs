//! Held-out material: what a model is asked and scored on.

mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use corpus::record::Example;
use serde::{Deserialize, Serialize};

pub use read::{MaterialError, SkippedLine};

/// A held-out question with its reference answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Identifier, unique in its file.
    pub id: String,
    /// What the user asks.
    pub question: String,
    /// A good answer; empty where the file has none.
    #[serde(default)]
    pub answer: String,
}

/// Held-out sentence pairs of two languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Language of the first column.
    pub source: Language,
    /// Language of the second column.
    pub target: Language,
    /// Sentence and translation.
    pub pairs: Vec<(String, String)>,
}

/// Where the material lies. Everything is optional; a task without material is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaterialPaths {
    /// The language that the LLM is strong in: first column of the pairs.
    pub source: Language,
    /// JSON Lines of `{"id", "question", "answer"}` per language of the questions.
    #[serde(default)]
    pub questions: BTreeMap<Language, PathBuf>,
    /// Sentence pairs (source TAB target) per target language.
    #[serde(default)]
    pub pairs: BTreeMap<Language, PathBuf>,
    /// Plain text, a passage a line, per language. A language without a file takes its sentences
    /// of the pairs.
    #[serde(default)]
    pub texts: BTreeMap<Language, PathBuf>,
    /// Held-out rows of the transfer set (`mix/held_out.jsonl`).
    #[serde(default)]
    pub examples: Option<PathBuf>,
    /// Only the first so many rows of every file.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl MaterialPaths {
    /// No material yet.
    pub fn new(source: Language) -> Self {
        Self {
            source,
            questions: BTreeMap::new(),
            pairs: BTreeMap::new(),
            texts: BTreeMap::new(),
            examples: None,
            limit: None,
        }
    }
}

/// Held-out material, loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationMaterial {
    /// Questions by their language.
    pub questions: BTreeMap<Language, Vec<Question>>,
    /// Sentence pairs, by target language.
    pub pairs: Vec<Pairs>,
    /// Passages of plain text by language.
    pub texts: BTreeMap<Language, Vec<String>>,
    /// Held-out rows of the transfer set.
    pub examples: Vec<Example>,
    /// Lines that could not be used; more than a tenth of a file is an error.
    pub skipped: Vec<SkippedLine>,
}

impl EvaluationMaterial {
    /// Reads every file that `paths` names.
    pub fn load(paths: &MaterialPaths) -> Result<Self, MaterialError> {
        let mut material = Self::default();
        let limit = paths.limit.unwrap_or(usize::MAX);
        for (&language, path) in &paths.questions {
            let mut questions = read::questions(path, &mut material.skipped)?;
            questions.truncate(limit);
            material.questions.insert(language, questions);
        }
        for (&target, path) in &paths.pairs {
            let mut pairs = read::pairs(path, &mut material.skipped)?;
            pairs.truncate(limit);
            material.pairs.push(Pairs {
                source: paths.source,
                target,
                pairs,
            });
        }
        for (&language, path) in &paths.texts {
            let mut passages = read::texts(path, &mut material.skipped)?;
            passages.truncate(limit);
            material.texts.insert(language, passages);
        }
        material.fill_texts_from_pairs();
        if let Some(path) = &paths.examples {
            material.examples = read::examples(path, &mut material.skipped)?;
            material.examples.truncate(limit);
        }
        Ok(material)
    }

    /// Languages without text of their own take the sentences of the pairs, each once.
    fn fill_texts_from_pairs(&mut self) {
        let mut filled: BTreeMap<Language, Vec<String>> = BTreeMap::new();
        for Pairs {
            source,
            target,
            pairs,
        } in &self.pairs
        {
            for (first, second) in pairs {
                for (language, sentence) in [(source, first), (target, second)] {
                    let sentences = filled.entry(*language).or_default();
                    if !self.texts.contains_key(language) && !sentences.contains(sentence) {
                        sentences.push(sentence.clone());
                    }
                }
            }
        }
        for (language, sentences) in filled {
            self.texts.entry(language).or_insert(sentences);
        }
    }
}
