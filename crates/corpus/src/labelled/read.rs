//! Reads a labelled file.

mod judge;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::data_set::{DataSet, SetLanguage};
use super::gold::{Gold, LabelFile, choice_labels, gold};
use super::layout::{Input, Layout};
use super::table::{Cells, Form, Table};
use super::{DataLanguage, LabelledError, LabelledInput, LabelledRow, LabelledSet, RejectedRow};
use crate::source::{Broken, SourceError};

/// Reason of a row without a label.
pub const UNLABELLED: &str = "no_label";
/// Reason of a row with a label that the task does not have.
pub const OTHER_LABEL: &str = "other_label";
/// Reason of a row with a label that the data set does not have.
pub const UNKNOWN_LABEL: &str = "unknown_label";

/// What the files of a data set look like.
pub struct Format<'a> {
    /// Layouts, the first that fits counts.
    pub(super) layouts: Vec<Layout<'a>>,
    /// Names of the labels in the order of their numbers; empty if any text is a label.
    pub(super) labels: Vec<String>,
    /// Columns of files without a header.
    pub(super) headerless: &'a [&'a [&'a str]],
    /// Whether cells of tab-separated files may be in quotes.
    pub(super) quoted: bool,
    /// Languages with a name of their own.
    pub(super) languages: &'static [SetLanguage],
}

/// Which rows of a file are wanted, and how their labels are numbered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The language of the rows, for files that hold several.
    pub language: Option<&'a DataLanguage>,
    /// The task's labels; by default those of the data set or, if it has none, the labels found in
    /// the order of their names.
    pub labels: Option<&'a [String]>,
    /// A file of labels for files without any: row number (from 0) TAB label, or a label per line.
    pub label_file: Option<&'a Path>,
}

impl DataSet {
    /// The format of its files in `language`.
    pub fn format(&self, language: Option<&DataLanguage>) -> Format<'static> {
        Format {
            layouts: (self.layouts)(language.is_some_and(DataLanguage::is_english)),
            labels: self.labels.iter().map(|&name| name.to_owned()).collect(),
            headerless: self.headerless,
            quoted: self.quoted,
            languages: self.languages,
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// See [`Format::read`].
    pub fn read(&self, path: &Path, wanted: Wanted) -> Result<LabelledSet, LabelledError> {
        self.format(wanted.language).read(path, wanted)
    }
}

impl Format<'_> {
    /// Reads the file at `path`. Rows in another language are passed over; rows that are faulty,
    /// without a label or with a label that the task does not have are rejected.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, holds no label or none of the task's, no row in
    /// the language, or more than a tenth of its rows are faulty.
    pub fn read(&self, path: &Path, wanted: Wanted) -> Result<LabelledSet, LabelledError> {
        let is_header = |cells: &[String]| {
            let has = |column: &&str| cells.iter().any(|cell| cell == column);
            self.layouts
                .iter()
                .any(|layout| layout.input_columns().iter().all(has))
        };
        let table = Table::read(
            path,
            &Form {
                is_header: &is_header,
                headerless: self.headerless,
                quoted: self.quoted,
            },
        )?;
        if table.rows.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            }
            .into());
        }
        let layout = self.layout(path, &table)?;
        let label_file = wanted.label_file;
        let label_file = label_file.map(|file| LabelFile::read(file, table.rows.len()));
        Reading {
            path,
            layout,
            format: self,
            wanted,
            label_file: label_file.transpose()?,
        }
        .rows(table)
    }

    /// The layout whose columns the table has.
    fn layout(&self, path: &Path, table: &Table) -> Result<&Layout<'_>, LabelledError> {
        let columns: BTreeSet<String> = table.columns().into_iter().collect();
        let has = |column: &&str| columns.contains(*column);
        let fits = |layout: &&Layout| {
            layout.input_columns().iter().all(has) && layout.language.iter().all(has)
        };
        if let Some(layout) = self.layouts.iter().find(fits) {
            return Ok(layout);
        }
        // Of the layout that lacks least, what it lacks: the likeliest one to be meant.
        let lacking = self.layouts.iter().map(|layout| {
            let mut needed = layout.input_columns();
            needed.extend(layout.language);
            needed.push(layout.label);
            needed.retain(|column| !has(column));
            needed
        });
        let missing = lacking.min_by_key(Vec::len).unwrap_or_default();
        Err(LabelledError::Columns {
            path: path.to_owned(),
            missing: missing.join(", "),
            found: Vec::from_iter(columns).join(", "),
        })
    }
}

/// One file being read.
struct Reading<'a> {
    path: &'a Path,
    layout: &'a Layout<'a>,
    format: &'a Format<'a>,
    wanted: Wanted<'a>,
    label_file: Option<LabelFile>,
}

/// Why a row is not usable.
struct Fault {
    reason: &'static str,
    detail: String,
    /// Its label, if the task does not have that.
    label: Option<String>,
}

impl From<(&'static str, String)> for Fault {
    fn from((reason, detail): (&'static str, String)) -> Self {
        Self {
            reason,
            detail,
            label: None,
        }
    }
}

/// A usable row and the name of its label, or a faulty one with its label, if the task does not have
/// that.
type Row = Result<(String, LabelledInput, String), (Broken, Option<String>)>;

impl Reading<'_> {
    fn rows(&self, table: Table) -> Result<LabelledSet, LabelledError> {
        let header = table.header.as_deref();
        let known = match self.layout.choices() {
            0 => self.format.labels.clone(),
            choices => choice_labels(choices),
        };
        let mut languages: HashMap<String, bool> = HashMap::new();
        let mut named = Vec::new();
        let mut rejected = Vec::new();
        let mut ids = HashSet::new();
        for (number, (line, row)) in table.rows.into_iter().enumerate() {
            let row = match row {
                Ok(cells) if !self.is_wanted(&cells, header, &mut languages) => continue,
                Ok(cells) => self.row(number, cells, header, &known),
                Err(broken) => Err((broken, None)),
            };
            match row {
                Ok((id, input, label)) => named.push((unique(id, &mut ids), input, label)),
                Err((broken, label)) => rejected.push(RejectedRow {
                    line,
                    label,
                    rejected: broken.at(self.path, line),
                }),
            }
        }
        self.judge(&languages, named.len(), &rejected)?;
        let found: BTreeSet<&String> = named.iter().map(|(_, _, label)| label).collect();
        let labels = match (self.wanted.labels, known.is_empty()) {
            (Some(labels), _) => labels.to_vec(),
            (None, false) => known,
            (None, true) => found.into_iter().cloned().collect(),
        };
        let number = |name: &String| labels.iter().position(|label| label == name);
        let rows = named.into_iter().filter_map(|(id, input, label)| {
            let label = number(&label)?;
            Some(LabelledRow { id, input, label })
        });
        Ok(LabelledSet {
            rows: rows.collect(),
            labels,
            rejected,
        })
    }

    /// Whether the row is in the language that is wanted.
    fn is_wanted(
        &self,
        cells: &Cells,
        header: Option<&[String]>,
        languages: &mut HashMap<String, bool>,
    ) -> bool {
        let (Some(column), Some(wanted)) = (self.layout.language, self.wanted.language) else {
            return true;
        };
        let written = cells.get(header, column).unwrap_or_default();
        *languages.entry(written).or_insert_with_key(|written| {
            let found = DataLanguage::of(self.format.languages, written);
            found.is_ok_and(|found| found.code == wanted.code)
        })
    }

    fn row(&self, number: usize, cells: Cells, header: Option<&[String]>, known: &[String]) -> Row {
        match self.parsed(number, &cells, header, known) {
            Ok(row) => Ok(row),
            Err(Fault {
                reason,
                detail,
                label,
            }) => {
                let row = cells.into_value();
                let broken = Broken {
                    reason,
                    detail,
                    row,
                };
                Err((broken, label))
            }
        }
    }

    fn parsed(
        &self,
        number: usize,
        cells: &Cells,
        header: Option<&[String]>,
        known: &[String],
    ) -> Result<(String, LabelledInput, String), Fault> {
        let text = |column: &str| match cells.get(header, column) {
            None => Err(("missing_column", format!("no {column:?}"))),
            Some(text) if text.trim().is_empty() => {
                Err(("empty_text", format!("{column:?} is empty")))
            }
            Some(text) => Ok(text),
        };
        let input = match &self.layout.input {
            Input::Single(column) => LabelledInput::Single {
                text: text(column)?,
            },
            Input::Pair(first, second) => LabelledInput::Pair {
                first: text(first)?,
                second: text(second)?,
            },
            Input::Choices {
                passage,
                question,
                choices,
            } => LabelledInput::Choices {
                passage: text(passage)?,
                question: text(question)?,
                // Training sets have questions with fewer answers; an empty one is read as "None".
                choices: choices
                    .iter()
                    .map(|choice| cells.get(header, choice).unwrap_or_default())
                    .collect(),
            },
        };
        let label = match &self.label_file {
            Some(labels) => labels.get(number).map(str::to_owned),
            None => cells.get(header, self.layout.label),
        };
        let first = usize::from(self.layout.choices() > 0);
        let label = match gold(label.as_deref().unwrap_or_default(), known, first) {
            Gold::Named(name) => name,
            Gold::Missing => return Err((UNLABELLED, "the row has no label".to_owned()).into()),
            Gold::Unknown => {
                let label = label.unwrap_or_default();
                let known = known.join(", ");
                return Err(Fault {
                    reason: UNKNOWN_LABEL,
                    detail: format!("{label:?} is not one of {known}"),
                    label: Some(label.trim().to_owned()),
                });
            }
        };
        if let Some(labels) = self.wanted.labels
            && !labels.contains(&label)
        {
            let known = labels.join(", ");
            return Err(Fault {
                reason: OTHER_LABEL,
                detail: format!("{label:?} is not one of the task's: {known}"),
                label: Some(label),
            });
        }
        let own: Option<Vec<String>> = self
            .layout
            .id
            .iter()
            .map(|column| cells.get(header, column).filter(|cell| !cell.is_empty()))
            .collect();
        let own = own.filter(|parts| !parts.is_empty());
        let id = own.map_or_else(|| number.to_string(), |parts| parts.join("#"));
        Ok((id, input, label))
    }
}

/// `id`, or if an earlier row has it, with a number.
fn unique(id: String, ids: &mut HashSet<String>) -> String {
    let mut candidate = id.clone();
    let mut number = 1;
    while !ids.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{id}-{number}");
    }
    candidate
}
