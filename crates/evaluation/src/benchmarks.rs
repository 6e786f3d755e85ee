//! Benchmarks: published test sets, one per file.
//!
//! To add one, write its file (prompt, presentation; `corpus::labelled` reads its rows) and add it to [`ALL`]. The
//! config, the results and the report need no change.

mod belebele;
mod config;
mod flores;
mod mkqa;
mod xcopa;
mod xl_sum;
mod xnli;

use std::path::{Path, PathBuf};

use corpus::labelled::{DataLanguage, DataSet, LabelledRow, Wanted};
use corpus::language::Language;
use corpus::sampling;
use serde_json::{Map, Value};

use crate::rows::{MaterialError, SkippedLine};
use crate::task::generation::{AnswerPart, Generation};
pub use crate::task::multiple_choice::Scoring;
use crate::task::{Headline, Presentation, Series, Skill, Task};
pub use config::{BenchmarkConfig, BenchmarkSettings};

/// All benchmarks.
pub const ALL: &[&Benchmark] = &[
    &belebele::BELEBELE,
    &xnli::XNLI,
    &xcopa::XCOPA,
    &flores::FLORES,
    &xl_sum::XL_SUM,
    &mkqa::MKQA,
];

/// The tasks of a benchmark in one language.
pub type Tasks = Result<Vec<Box<dyn Task>>, MaterialError>;

/// A published test set.
#[derive(Debug)]
pub struct Benchmark {
    /// Name in the config and in lm-evaluation-harness.
    pub name: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// Where the rows of a language may be within the published folder; the first file that is
    /// there is read.
    pub files: fn(Language) -> Vec<String>,
    /// Whether there are rows in a language.
    pub covers: fn(Language) -> bool,
    /// Whether the source language is evaluated like others; a translation has it on one side.
    pub of_source: bool,
    /// Supported scorings, the default first.
    pub scorings: &'static [Scoring],
    /// Placeholders of `prompt`; none if the prompt cannot be changed. The last one is required.
    pub placeholders: &'static [&'static str],
    /// Makes the tasks of one language.
    pub load: fn(&mut Source<'_>) -> Tasks,
}

/// The files of a benchmark, and what to make of them.
pub struct Source<'a> {
    /// The benchmark.
    pub benchmark: &'a str,
    /// The file of a language.
    pub file: &'a dyn Fn(Language) -> PathBuf,
    /// Language of the rows to read.
    pub language: Language,
    /// The language that the model is strong in.
    pub strong: Language,
    /// Number of rows that are used as solved examples.
    pub shots: usize,
    /// Seed of the order of the rows; `None` keeps that of the file.
    pub seed: Option<u64>,
    /// Template of the prompt, instead of the benchmark's own.
    pub prompt: Option<&'a str>,
    /// Maximum number of tokens of an answer, instead of the benchmark's own.
    pub budget: Option<usize>,
    /// The part of an answer that is scored, instead of the benchmark's own.
    pub part: Option<AnswerPart>,
    /// Added to the names of the tasks.
    pub label: Option<&'a str>,
    /// BLEU's tokenizer.
    pub bleu_tokenizer: &'a str,
    /// Its SentencePiece model.
    pub bleu_tokenizer_model: Option<&'a Path>,
    /// The way predictions are made.
    pub scoring: Scoring,
    /// Maximum number of questions.
    pub limit: usize,
    /// Collects unusable lines.
    pub skipped: &'a mut Vec<SkippedLine>,
}

/// Position of benchmarks in a report: after tasks on the run's own material.
const ORDER: u32 = 500;

impl Source<'_> {
    /// Name of the task; for log-likelihoods, that in lm-evaluation-harness.
    pub(crate) fn task_name(&self, benchmark: &str, language: &str) -> String {
        self.labelled(match self.scoring {
            Scoring::LogLikelihood => format!("{benchmark}_{language}"),
            Scoring::Generation => format!("{benchmark}_{language}_generation"),
        })
    }

    /// The name of a task with the label.
    fn labelled(&self, name: String) -> String {
        match self.label {
            Some(label) => format!("{name}_{label}"),
            None => name,
        }
    }

    /// `title` with the label.
    fn titled(&self, title: &str) -> String {
        match self.label {
            Some(label) => format!("{title} ({label})"),
            None => title.to_owned(),
        }
    }

    /// An error of this benchmark.
    pub(crate) fn wrong(&self, message: String) -> MaterialError {
        MaterialError::Benchmark {
            name: self.benchmark.to_owned(),
            message,
        }
    }

    /// Takes the solved examples from the beginning of `rows`, in the order of the seed, and leaves
    /// at most as many as the limit.
    pub(crate) fn chosen<T>(&self, rows: &mut Vec<T>) -> Result<Vec<T>, MaterialError> {
        if let Some(seed) = self.seed {
            let all = std::mem::take(rows).into_iter().enumerate();
            let keyed = all.map(|(at, row)| {
                let key = sampling::shuffle_key(seed, "benchmark", &at.to_string());
                (key, at, row)
            });
            let mut keyed: Vec<_> = keyed.collect();
            keyed.sort_by_key(|(key, at, _)| (*key, *at));
            rows.extend(keyed.into_iter().map(|(_, _, row)| row));
        }
        if rows.len() <= self.shots {
            return Err(MaterialError::TooFewRows {
                path: (self.file)(self.language),
                language: self.language,
                rows: rows.len(),
                shots: self.shots,
            });
        }
        let asked = rows.split_off(self.shots);
        let solved = std::mem::replace(rows, asked);
        rows.truncate(self.limit);
        Ok(solved)
    }

    /// Presentation of the accuracy on a test set called `name`.
    pub(crate) fn presentation(&self, name: &str) -> Presentation {
        let language = self.language.everyday_name();
        let (title, asked) = match self.scoring {
            Scoring::LogLikelihood => (format!("{name}, {language}"), None),
            Scoring::Generation => (
                format!("{name}, {language}, written answers"),
                Some("prompt"),
            ),
        };
        Presentation {
            group: self.titled(&title),
            title: self.titled(&title),
            order: ORDER,
            headline: Some(Headline {
                of_source: true,
                ..Headline::new("acc", format!("{name} accuracy in {language}"))
            }),
            asked: asked.map(str::to_owned),
            series: Some(
                Series::of(&self.series(name), ["acc"]).averaged(Skill::Understanding, "acc"),
            ),
            ..Presentation::default()
        }
    }

    /// Name of the test set's table in a grid.
    fn series(&self, name: &str) -> String {
        self.titled(&match self.scoring {
            Scoring::LogLikelihood => name.to_owned(),
            Scoring::Generation => format!("{name}, written answers"),
        })
    }

    /// Reads the solved examples and the questions from a file of `set`.
    pub(crate) fn rows(
        &mut self,
        set: &DataSet,
    ) -> Result<(Vec<LabelledRow>, Vec<LabelledRow>), MaterialError> {
        let language = DataLanguage::from(self.language);
        let wanted = Wanted {
            language: Some(&language),
            ..Wanted::default()
        };
        let path = (self.file)(self.language);
        let read = set.read(&path, wanted)?;
        let skipped = read.rejected.into_iter().map(|row| SkippedLine {
            path: path.clone(),
            line: row.line as usize,
            reason: row.rejected.detail,
        });
        self.skipped.extend(skipped);
        let mut asked = read.rows;
        let solved = self.chosen(&mut asked)?;
        Ok((solved, asked))
    }
}

/// A task of generated answers, without its questions and metrics: named, and presented with a
/// headline measure (key and name).
pub(crate) fn generated(
    source: &Source<'_>,
    name: String,
    title: String,
    (measure, measured): (&str, &str),
    series: Series,
) -> Generation {
    let title = source.titled(&title);
    let headline = Headline {
        of_source: true,
        ..Headline::new(measure, format!("{title}, {measured}"))
    };
    Generation {
        name: source.labelled(name),
        version: 1,
        language: source.language,
        translated_from: None,
        configuration: Map::new(),
        solved: Vec::new(),
        questions: Vec::new(),
        metrics: Vec::new(),
        part: AnswerPart::default(),
        budget: source.budget,
        presentation: Presentation {
            group: title.clone(),
            title,
            order: ORDER,
            headline: Some(headline),
            series: Some(Series {
                benchmark: source.titled(&series.benchmark),
                ..series
            }),
            ..Presentation::default()
        },
    }
}

/// The text in a column of a row.
///
/// # Errors
/// If the row has no such column (the columns it has are named), or its value is no text.
pub(crate) fn column(row: &Map<String, Value>, name: &str) -> Result<String, String> {
    match row.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("`{name}` must be a text, not {other}")),
        None => {
            let found: Vec<&str> = row.keys().map(String::as_str).collect();
            Err(format!(
                "no column `{name}`; there are {}",
                found.join(", ")
            ))
        }
    }
}
