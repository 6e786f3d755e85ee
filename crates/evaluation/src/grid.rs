//! Tables of a grid of runs, in the layout of the SDRRL paper: a table per test set and measure,
//! with a row per method, a column per target language and their average, once for the target
//! languages and once for the source language; the averages over test sets of Table 6; and the
//! gains over a reference of Table 12.
//!
//! A cell is the mean over seeds, with its bootstrap interval and standard deviation. The method
//! called [`Roles::ours`] is tested against the best baseline of each column by approximate
//! randomisation over the documents.
//!
//! Classifiers have a table per test set with a row per system, the language of training first, and
//! the average over the others, with an interval over the rows that the languages share.

mod averages;
mod cells;
mod classified;
mod collect;
mod column;
mod html;
mod latex;
mod markdown;
mod terminal;

use std::path::PathBuf;

use corpus::language::Language;
use serde::{Deserialize, Serialize};

use crate::significance::Confidence;

pub use html::render as html;
pub use latex::render as latex;
pub use markdown::render as markdown;
pub use terminal::render as terminal;

/// The evaluation of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Row of its scores; of classifiers, that of the first system.
    pub method: String,
    /// The model that was trained, if the grid has several.
    pub model: Option<String>,
    /// Target languages of the run: columns of its scores. Classifiers have none.
    pub targets: Vec<Language>,
    /// Folder with `results.json` and the samples, or with `classification.json` and the
    /// predictions.
    pub folder: PathBuf,
}

/// What the methods are to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// All methods, in the order of the rows.
    pub methods: Vec<String>,
    /// The method that is tested against the best baseline.
    pub ours: Option<String>,
    /// The baselines.
    pub baselines: Vec<String>,
    /// The method over which gains are counted.
    pub reference: Option<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridTable {
    /// Name of the test set.
    pub benchmark: String,
    /// Name of the measure.
    pub measure: String,
    /// Signature of the score; of the first, if languages differ in it.
    pub signature: String,
    /// The model that was trained, if the grid has several.
    pub model: Option<String>,
    /// `None` if neither is better.
    pub higher_is_better: Option<bool>,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// Heading of a last column with the mean of the others.
    pub average: Option<String>,
    /// Target languages first.
    pub blocks: Vec<Block>,
}

/// A part of a table in which scores are ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its heading.
    pub title: String,
    /// The language of its scores.
    pub side: Side,
    /// A row per method.
    pub rows: Vec<Row>,
}

/// The language of a block's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The target languages.
    Target,
    /// The source language.
    Source,
    /// Both, side by side: averages, and classifiers in all languages.
    Both,
}

/// The scores of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The method.
    pub method: String,
    /// A cell per column and one for the average; `None` if there is no score yet.
    pub cells: Vec<Option<Cell>>,
}

/// A score of a method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Mean over the seeds.
    pub score: f64,
    /// 95 % bootstrap interval of the mean, over the documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Number of seeds.
    pub seeds: usize,
    /// Standard deviation over the seeds, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// 1 for the best of the column, 2 for the second best; equals share a rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// p-value of the difference from the best baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Whether that difference is significant: `true` if the score is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<bool>,
}

/// Name of the untrained model among the methods.
pub const UNTRAINED: &str = "untrained";

/// The tables of the finished runs among `entries`.
pub fn tables(entries: &[Entry], roles: &Roles) -> Vec<GridTable> {
    let roles = &classified::expanded(entries, roles);
    let mut collected = collect::scores(entries);
    collected.extend(classified::scores(entries));
    let mut tables: Vec<GridTable> = collected
        .iter()
        .map(|series| cells::table(series, roles))
        .collect();
    let averages = averages::averages(&tables, &collected, roles);
    let gains = averages.iter().filter_map(|table| {
        let reference = roles.reference.as_deref()?;
        averages::gains(table, reference)
    });
    let gains: Vec<GridTable> = gains.collect();
    tables.extend(averages);
    tables.extend(gains);
    tables
}

impl GridTable {
    /// Its title: test set, measure and model.
    pub fn title(&self) -> String {
        let mut title = self.benchmark.clone();
        if !self.measure.is_empty() {
            title = format!("{title}, {}", self.measure);
        }
        if self.higher_is_better == Some(false) {
            title.push_str(", lower is better");
        }
        match &self.model {
            Some(model) => format!("{title} ({model})"),
            None => title,
        }
    }

    /// The headings of all columns with scores.
    fn headings(&self) -> Vec<&str> {
        let columns = self.columns.iter().chain(&self.average);
        columns.map(String::as_str).collect()
    }
}

impl Cell {
    /// A score without more to say about it.
    fn of(score: f64) -> Self {
        Self {
            score,
            seeds: 1,
            ..Self::default()
        }
    }

    /// The score with two decimals, the deviation over seeds, and the mark of a significant
    /// difference from the best baseline.
    fn text(&self) -> String {
        let mut text = format!("{:.2}", self.score);
        if let Some(deviation) = self.deviation {
            text.push_str(&format!(" ±{deviation:.2}"));
        }
        match self.better {
            Some(true) => text.push('*'),
            Some(false) => text.push('†'),
            None => {}
        }
        text
    }
}

/// The meaning of the marks in every form of the tables.
const LEGEND: &str = "Significant at p < 0.05 against the best baseline of the column (approximate \
                      randomisation over the documents; in an average over the languages of a test \
                      set, a 95 % interval of the difference without 0): * better, † worse. ±: \
                      standard deviation over seeds.";
