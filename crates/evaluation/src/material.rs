//! Held-out material: questions, sentence pairs, passages and examples to evaluate on.

mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::language::Language;
use corpus::record::{Example, Subset};
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
    /// Maximum number of rows of each task: of a file, and of each subset and language of the
    /// examples.
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

/// The first `limit` examples of each subset and target language, each of which is a task: the first
/// of a shuffled file would miss some.
fn first_of_each_task(mut examples: Vec<Example>, source: Language, limit: usize) -> Vec<Example> {
    let mut counts = BTreeMap::<(Subset, Language), usize>::new();
    examples.retain(|example| {
        let task = (example.subset, example.target(source));
        let count = counts.entry(task).or_default();
        *count += 1;
        *count <= limit
    });
    examples
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
            let examples = read::examples(path, &mut material.skipped)?;
            material.examples = first_of_each_task(examples, paths.source, limit);
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_limit_leaves_every_subset_of_every_language() {
        let (source, german) = (Language::ENGLISH, Language::with_code("deu_Latn"));
        let example = |subset, number, question_language, answer_language| Example {
            id: format!("{number}/{subset:?}/{question_language}"),
            subset,
            question_language,
            answer_language,
            question: "Quem?".to_owned(),
            answer: "Ana.".to_owned(),
            teacher_question: None,
        };
        let mut rows = Vec::new();
        for number in 0..3 {
            rows.push(example(Subset::LL, number, source, source));
        }
        for target in [Language::PORTUGUESE, german] {
            for number in 0..3 {
                rows.push(example(Subset::TL, number, target, source));
                rows.push(example(Subset::LT, number, source, target));
            }
            rows.push(example(Subset::Mt, 0, source, target));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.jsonl");
        let lines = rows.iter().map(serde_json::to_string);
        let lines: Vec<String> = lines.collect::<Result<_, _>>().expect("JSON");
        fs::write(&path, lines.join("\n")).expect("writes");

        let paths = MaterialPaths {
            examples: Some(path),
            limit: Some(2),
            ..MaterialPaths::new(source)
        };
        let material = EvaluationMaterial::load(&paths).expect("material");
        let mut counts = BTreeMap::<(Subset, Language), usize>::new();
        for example in &material.examples {
            let task = (example.subset, example.target(source));
            *counts.entry(task).or_default() += 1;
        }
        let mut expected = BTreeMap::from([((Subset::LL, source), 2)]);
        for target in [Language::PORTUGUESE, german] {
            let of_target = [(Subset::TL, 2), (Subset::LT, 2), (Subset::Mt, 1)];
            expected.extend(of_target.map(|(subset, count)| ((subset, target), count)));
        }
        assert_eq!(counts, expected);
        assert_eq!(material.examples[0], rows[0]);
    }
}
