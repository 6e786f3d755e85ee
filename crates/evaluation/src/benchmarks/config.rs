//! `[[evaluate.benchmarks]]`: which benchmarks are run, and on which files.

use std::path::PathBuf;

use corpus::file_path::FilePath;
use corpus::language::Language;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ALL, Benchmark, Scoring, Source};
use crate::rows::{MaterialError, SkippedLine};
use crate::task::Task;

/// One benchmark of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkConfig {
    /// Name of the benchmark, e.g. `belebele`.
    pub name: String,
    /// The folder as published, or a file. In a file's path, `{code}` stands for a language's
    /// FLORES-200 code and `{iso}` for its ISO 639-1 code.
    pub path: FilePath,
    /// Languages.
    #[serde(default)]
    #[schemars(extend("default-text" = "those of the run that it has"))]
    pub languages: Vec<Language>,
    /// Number of solved examples shown before each question: the first rows of the file.
    #[serde(default)]
    pub shots: usize,
    /// How predictions are made: `log-likelihood`, the continuation with the highest
    /// log-probability, or `generation`, the label in the model's answer.
    #[serde(default)]
    #[schemars(extend("default-text" = "the benchmark's usual way"))]
    pub scoring: Option<Scoring>,
    /// Maximum number of questions per language.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl BenchmarkConfig {
    /// Checks everything but the files; `run` are the run's languages.
    ///
    /// # Errors
    /// An unknown benchmark, a language that it lacks, or a scoring that it does not offer.
    pub fn check(&self, run: &[Language]) -> Result<(), MaterialError> {
        let benchmark = self.benchmark()?;
        self.scoring_of(benchmark)?;
        self.languages_of(benchmark, run)?;
        Ok(())
    }

    /// The file of each language.
    pub fn files(&self, run: &[Language]) -> Result<Vec<(Language, PathBuf)>, MaterialError> {
        let benchmark = self.benchmark()?;
        let languages = self.languages_of(benchmark, run)?;
        let path = match self.path.is_dir() {
            true => self.path.join(benchmark.file),
            false => self.path.to_path_buf(),
        };
        let path = path.to_string_lossy();
        let file = |language: Language| {
            let iso = language.iso639_1().unwrap_or(language.iso639_3());
            let path = path.replace("{code}", language.code());
            PathBuf::from(path.replace("{iso}", iso))
        };
        Ok(languages.into_iter().map(|one| (one, file(one))).collect())
    }

    /// One task per language; `limit` holds if the benchmark has none of its own.
    pub fn tasks(
        &self,
        run: &[Language],
        limit: Option<usize>,
        skipped: &mut Vec<SkippedLine>,
    ) -> Result<Vec<Box<dyn Task>>, MaterialError> {
        let benchmark = self.benchmark()?;
        let scoring = self.scoring_of(benchmark)?;
        let files = self.files(run)?.into_iter();
        files
            .map(|(language, path)| {
                (benchmark.load)(&mut Source {
                    path: &path,
                    language,
                    shots: self.shots,
                    scoring,
                    limit: self.limit.or(limit).unwrap_or(usize::MAX),
                    skipped,
                })
            })
            .collect()
    }

    fn benchmark(&self) -> Result<&'static Benchmark, MaterialError> {
        let known = ALL.iter().find(|known| known.name == self.name);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|known| known.name).collect();
            self.error(format!("unknown; there are {}", names.join(", ")))
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
        let covers = |language: &Language| (benchmark.covers)(*language);
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
