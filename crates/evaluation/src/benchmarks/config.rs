//! `[[evaluate.benchmarks]]`: which benchmarks are run, and on which files.

use std::path::{Path, PathBuf};

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::nearest::nearest;
use corpus::placeholders;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ALL, Benchmark, Scoring, Source};
use crate::rows::{MaterialError, SkippedLine};
use crate::task::Task;
use crate::task::generation::AnswerPart;

/// One benchmark of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkConfig {
    /// Name of the benchmark, e.g. `belebele`.
    pub name: String,
    /// The folder as published, or a file: JSON Lines, TSV, CSV or Parquet, also with `.gz`. In a
    /// file's path, `{code}` stands for a language's FLORES-200 code and `{iso}` for its ISO 639-1
    /// code.
    pub path: FilePath,
    /// Languages.
    #[serde(default)]
    #[schemars(extend("default-text" = "those of the run that it has"))]
    pub languages: Vec<Language>,
    /// Number of solved examples shown before each question: the first rows.
    #[serde(default)]
    pub shots: usize,
    /// Seed that shuffles the rows before examples and questions are taken.
    #[serde(default)]
    #[schemars(extend("default-text" = "the order of the file"))]
    pub seed: Option<u64>,
    /// Template of the prompt of generated answers, with `{from}`, `{to}` and `{sentence}`
    /// (`flores`), `{language}` and `{text}` (`xlsum`) or `{language}` and `{question}` (`mkqa`).
    #[serde(default)]
    #[schemars(extend("default-text" = "the benchmark's own"))]
    pub prompt: Option<String>,
    /// Maximum number of tokens of a generated answer.
    #[serde(default)]
    #[schemars(extend("default-text" = "256 for `flores`, 128 for `xlsum`, 32 for `mkqa`"))]
    pub max_new_tokens: Option<usize>,
    /// The part of a generated answer that is scored: `whole` or `first_line`.
    #[serde(default)]
    #[schemars(extend("default-text" = "`first_line` for `mkqa`, otherwise `whole`"))]
    pub answer_part: Option<AnswerPart>,
    /// Added to the name, so that a benchmark can be run twice, e.g. with another prompt.
    #[serde(default)]
    pub label: Option<String>,
    /// How predictions are made: `log-likelihood`, the continuation with the highest
    /// log-probability, or `generation`, the label in the model's answer.
    #[serde(default)]
    #[schemars(extend("default-text" = "the benchmark's usual way"))]
    pub scoring: Option<Scoring>,
    /// Maximum number of questions per language.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What all benchmarks of a run share.
#[derive(Debug, Clone, Copy)]
pub struct BenchmarkSettings<'a> {
    /// The language that the model is strong in.
    pub strong: Language,
    /// The languages that it is to learn.
    pub targets: &'a [Language],
    /// Maximum number of questions of benchmarks without a limit of their own.
    pub limit: Option<usize>,
    /// BLEU's tokenizer.
    pub bleu_tokenizer: &'a str,
    /// Its SentencePiece model.
    pub bleu_tokenizer_model: Option<&'a Path>,
}

impl BenchmarkConfig {
    /// The benchmark `name` in the files at `path`, with its usual settings.
    pub fn new(name: &str, path: impl Into<FilePath>) -> Self {
        Self {
            name: name.to_owned(),
            path: path.into(),
            languages: Vec::new(),
            shots: 0,
            seed: None,
            prompt: None,
            max_new_tokens: None,
            answer_part: None,
            label: None,
            scoring: None,
            limit: None,
        }
    }

    /// Checks everything but the files; `run` are the run's languages.
    ///
    /// # Errors
    /// An unknown benchmark, a language that it lacks, or a scoring that it does not offer.
    pub fn check(&self, run: &[Language]) -> Result<(), MaterialError> {
        let benchmark = self.benchmark()?;
        self.scoring_of(benchmark)?;
        self.languages_of(benchmark, run)?;
        let known = benchmark.placeholders;
        let path = self.path.to_string_lossy();
        let unknown = |key: &str, template: &str, known: &[&str]| {
            let unknown = placeholders::unknown(template, known);
            unknown.map_or(Ok(()), |unknown| {
                let advice = placeholders::advice(unknown, known);
                Err(self.error(format!("`{key}`: {advice}")))
            })
        };
        if !self.path.exists() {
            unknown("path", &path, &["{code}", "{iso}"])?;
        }
        match (&self.prompt, known.last()) {
            (Some(_), None) => Err(self.error("its prompt is fixed; remove `prompt`".to_owned())),
            (Some(prompt), Some(asked)) if !prompt.contains(asked) => Err(self.error(format!(
                "`prompt` must contain {asked}; it may contain {}",
                known.join(", ")
            ))),
            (Some(prompt), _) => unknown("prompt", prompt, known),
            _ if self.max_new_tokens == Some(0) => {
                Err(self.error("`max_new_tokens` must be at least 1".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The files of all languages that are read.
    pub fn files(&self, run: &[Language]) -> Result<Vec<(Language, PathBuf)>, MaterialError> {
        let benchmark = self.benchmark()?;
        let mut languages = self.languages_of(benchmark, run)?;
        if let Some(strong) = run.first().filter(|_| !benchmark.of_source) {
            languages.insert(0, *strong);
        }
        let file = |language| (language, self.file(benchmark, language));
        Ok(languages.into_iter().map(file).collect())
    }

    /// The file of a language: the first that is there of those in the published folder.
    fn file(&self, benchmark: &Benchmark, language: Language) -> PathBuf {
        if self.path.is_dir() {
            let names = (benchmark.files)(language);
            let mut paths = names.iter().map(|name| self.path.join(name));
            let usual = paths
                .clone()
                .next()
                .unwrap_or_else(|| self.path.to_path_buf());
            return paths.find(|path| path.is_file()).unwrap_or(usual);
        }
        let iso = language.iso639_1().unwrap_or(language.iso639_3());
        let path = self
            .path
            .to_string_lossy()
            .replace("{code}", language.code());
        PathBuf::from(path.replace("{iso}", iso))
    }

    /// The tasks of every language.
    pub fn tasks(
        &self,
        settings: BenchmarkSettings<'_>,
        skipped: &mut Vec<SkippedLine>,
    ) -> Result<Vec<Box<dyn Task>>, MaterialError> {
        let benchmark = self.benchmark()?;
        let scoring = self.scoring_of(benchmark)?;
        let run = [&[settings.strong], settings.targets].concat();
        let file = |language| self.file(benchmark, language);
        let mut tasks = Vec::new();
        for language in self.languages_of(benchmark, &run)? {
            tasks.extend((benchmark.load)(&mut Source {
                benchmark: benchmark.name,
                file: &file,
                language,
                strong: settings.strong,
                shots: self.shots,
                seed: self.seed,
                prompt: self.prompt.as_deref(),
                budget: self.max_new_tokens,
                part: self.answer_part,
                label: self.label.as_deref(),
                bleu_tokenizer: settings.bleu_tokenizer,
                bleu_tokenizer_model: settings.bleu_tokenizer_model,
                scoring,
                limit: self.limit.or(settings.limit).unwrap_or(usize::MAX),
                skipped,
            })?);
        }
        Ok(tasks)
    }

    fn benchmark(&self) -> Result<&'static Benchmark, MaterialError> {
        let known = ALL.iter().find(|known| known.name == self.name);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|known| known.name).collect();
            let meant = nearest(&self.name, &names);
            let meant = meant.map_or(String::new(), |name| format!("; did you mean {name}?"));
            self.error(format!("unknown; there are {}{meant}", names.join(", ")))
        })
    }

    fn scoring_of(&self, benchmark: &Benchmark) -> Result<Scoring, MaterialError> {
        let usual = benchmark.scorings.first().copied().unwrap_or_default();
        match self.scoring.unwrap_or(usual) {
            wanted if benchmark.scorings.contains(&wanted) => Ok(wanted),
            _ => Err(self.error("it has no such scoring; remove `scoring`".to_owned())),
        }
    }

    fn languages_of(
        &self,
        benchmark: &Benchmark,
        run: &[Language],
    ) -> Result<Vec<Language>, MaterialError> {
        let strong = run.first();
        let covers = |language: &Language| {
            (benchmark.covers)(*language) && (benchmark.of_source || strong != Some(language))
        };
        if let Some(other) = self.languages.iter().find(|language| !covers(language)) {
            return Err(self.error(format!(
                "it has no rows in {other}; remove it from `languages`"
            )));
        }
        let languages = match self.languages.is_empty() {
            true => run.iter().copied().filter(covers).collect(),
            false => self.languages.clone(),
        };
        if languages.is_empty() {
            return Err(self.error(
                "it has none of the run's languages; name some under `languages`".to_owned(),
            ));
        }
        Ok(languages)
    }

    fn error(&self, message: String) -> MaterialError {
        MaterialError::Benchmark {
            name: self.name.clone(),
            message,
        }
    }
}
