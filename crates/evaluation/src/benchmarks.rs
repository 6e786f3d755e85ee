//! Benchmarks: published test sets, one per file.
//!
//! To add one, write its file (prompt, presentation; `corpus::labelled` reads its rows) and add it to [`ALL`]. The
//! config, the results and the report need no change.

mod belebele;
mod config;
mod xnli;

use std::path::Path;

use corpus::labelled::{DataLanguage, DataSet, LabelledRow, Wanted};
use corpus::language::Language;

use crate::rows::{MaterialError, SkippedLine};
pub use crate::task::multiple_choice::Scoring;
use crate::task::{Headline, Presentation, Task};
pub use config::BenchmarkConfig;

/// All benchmarks.
pub const ALL: &[&Benchmark] = &[&belebele::BELEBELE, &xnli::XNLI];

/// A published test set.
#[derive(Debug)]
pub struct Benchmark {
    /// Name in the config and in lm-evaluation-harness.
    pub name: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// The file within the published folder; `{code}` and `{iso}` stand for the language's
    /// FLORES-200 and ISO 639-1 codes.
    pub file: &'static str,
    /// Whether there are rows in a language.
    pub covers: fn(Language) -> bool,
    /// Supported scorings, the default first.
    pub scorings: &'static [Scoring],
    /// Reads the rows of one language.
    pub load: fn(&mut Source<'_>) -> Result<Box<dyn Task>, MaterialError>,
}

/// The file of a benchmark, and what to read of it.
#[derive(Debug)]
pub struct Source<'a> {
    /// The file.
    pub path: &'a Path,
    /// Language of the rows to read.
    pub language: Language,
    /// Number of rows at the beginning of the file that are used as solved examples.
    pub shots: usize,
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
        match self.scoring {
            Scoring::LogLikelihood => format!("{benchmark}_{language}"),
            Scoring::Generation => format!("{benchmark}_{language}_generation"),
        }
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
            group: title.clone(),
            title,
            order: ORDER,
            headline: Some(Headline {
                of_source: true,
                ..Headline::new("acc", format!("{name} accuracy in {language}"))
            }),
            asked: asked.map(str::to_owned),
            ..Presentation::default()
        }
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
        let read = set.read(self.path, wanted)?;
        let skipped = read.rejected.into_iter().map(|row| SkippedLine {
            path: self.path.to_owned(),
            line: row.line as usize,
            reason: row.rejected.detail,
        });
        self.skipped.extend(skipped);
        let mut solved = read.rows;
        if solved.len() <= self.shots {
            return Err(MaterialError::TooFewRows {
                path: self.path.to_owned(),
                language: self.language,
                rows: solved.len(),
                shots: self.shots,
            });
        }
        let mut asked = solved.split_off(self.shots);
        asked.truncate(self.limit);
        Ok((solved, asked))
    }
}
