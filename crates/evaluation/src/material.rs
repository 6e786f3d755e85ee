//! Held-out material: questions, sentence pairs, passages and examples to evaluate on.

mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use corpus::record::Example;
use corpus::source::ParallelSource;
use serde::{Deserialize, Serialize};

use crate::benchmarks::{BenchmarkConfig, BenchmarkSettings};
use crate::metric::tokenizer::AUTO;
use crate::rows::{MaterialError, SkippedLine};
pub use crate::rows::{Pairs, Question};
use crate::task::Task;

/// Paths of the material. All are optional; a task without material is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaterialPaths {
    /// The language the LLM is strong in: first column of the pairs.
    pub source: Language,
    /// The languages the LLM is to learn.
    #[serde(default)]
    pub targets: Vec<Language>,
    /// Published test sets.
    #[serde(default)]
    pub benchmarks: Vec<BenchmarkConfig>,
    /// BLEU's tokenizer in benchmarks.
    pub bleu_tokenizer: String,
    /// Its SentencePiece model.
    #[serde(default)]
    pub bleu_tokenizer_model: Option<PathBuf>,
    /// JSON Lines of `{"id", "question", "answer"}`, by language of the questions.
    #[serde(default)]
    pub questions: BTreeMap<Language, PathBuf>,
    /// Sentence pairs, by target language.
    #[serde(default)]
    pub pairs: BTreeMap<Language, ParallelSource>,
    /// Plain text, one passage per line, by language. Languages without a file use their sentences
    /// of the pairs.
    #[serde(default)]
    pub texts: BTreeMap<Language, PathBuf>,
    /// Held-out rows of the transfer set (`mix/held_out.jsonl`).
    #[serde(default)]
    pub examples: Option<PathBuf>,
    /// Maximum number of rows of each file.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl MaterialPaths {
    /// No files yet.
    pub fn new(source: Language) -> Self {
        Self {
            source,
            targets: Vec::new(),
            benchmarks: Vec::new(),
            bleu_tokenizer: AUTO.to_owned(),
            bleu_tokenizer_model: None,
            questions: BTreeMap::new(),
            pairs: BTreeMap::new(),
            texts: BTreeMap::new(),
            examples: None,
            limit: None,
        }
    }
}

/// The loaded material.
#[derive(Default)]
pub struct EvaluationMaterial {
    /// Questions by language.
    pub questions: BTreeMap<Language, Vec<Question>>,
    /// Sentence pairs, by target language.
    pub pairs: Vec<Pairs>,
    /// Passages of plain text by language.
    pub texts: BTreeMap<Language, Vec<String>>,
    /// Held-out rows of the transfer set.
    pub examples: Vec<Example>,
    /// The tasks of published test sets.
    pub benchmarks: Vec<Box<dyn Task>>,
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
        for (&target, files) in &paths.pairs {
            let mut pairs = read::pairs(files, paths.source, target, &mut material.skipped)?;
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
        let settings = BenchmarkSettings {
            strong: paths.source,
            targets: &paths.targets,
            limit: paths.limit,
            bleu_tokenizer: &paths.bleu_tokenizer,
            bleu_tokenizer_model: paths.bleu_tokenizer_model.as_deref(),
        };
        for benchmark in &paths.benchmarks {
            let tasks = benchmark.tasks(settings, &mut material.skipped)?;
            material.benchmarks.extend(tasks);
        }
        Ok(material)
    }

    /// Gives languages without text of their own the distinct sentences of the pairs.
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
