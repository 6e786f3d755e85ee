//! Labelled rows as token ids: the items of the recipes that train tasks.

use artefacts::Key;
use artefacts::training::TaskCounts;
use corpus::labelled::{LabelledInput, LabelledRow, LabelledSet, TaskData};
use models::{Backbone, EncodedText, HeadKind, TextInput, TextInputError};
use rayon::prelude::*;

/// A task to train.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its rows.
    pub data: &'a TaskData,
}

impl Task<'_> {
    /// What its head reads.
    pub fn kind(&self) -> HeadKind {
        let rows = &self.data.train.rows;
        match rows.first().map(|row| &row.input) {
            Some(LabelledInput::Choices { .. }) => HeadKind::Choices,
            Some(LabelledInput::Pair { .. }) => HeadKind::Pair,
            Some(LabelledInput::Single { .. }) | None => HeadKind::Text,
        }
    }

    /// Hashes of its rows, by name.
    pub(super) fn inputs(&self) -> [(String, String); 2] {
        let hash = |set: &LabelledSet| Key::of(&(&set.labels, &set.rows)).to_string();
        [
            (
                format!("{} training rows", self.name),
                hash(&self.data.train),
            ),
            (
                format!("{} validation rows", self.name),
                hash(&self.data.validation),
            ),
        ]
    }

    /// The code that a backbone is told for texts of the training and validation rows.
    pub(super) fn language(&self) -> Option<&'static str> {
        self.data.language.source.map(|language| language.code())
    }
}

/// The input that a backbone reads.
pub fn text_input(input: &LabelledInput) -> TextInput<'_> {
    match input {
        LabelledInput::Single { text } => TextInput::Single(text),
        LabelledInput::Pair { first, second } => TextInput::Pair(first, second),
        LabelledInput::Choices {
            passage,
            question,
            choices,
        } => TextInput::Choices {
            passage,
            question,
            choices,
        },
    }
}

/// A row that cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("task `{task}`, row {row}: {source}")]
pub struct RowError {
    /// The task.
    pub task: String,
    /// Identifier of the row.
    pub row: String,
    /// The problem.
    pub source: Box<TextInputError>,
}

/// Rows as token ids.
#[derive(Debug, Clone, Default)]
pub struct EncodedRows {
    /// The texts, by row; `None` if the answers of a question exceed the maximum length or have no
    /// tokens.
    pub texts: Vec<Option<EncodedText>>,
    /// The numbers of the rows' labels.
    pub labels: Vec<usize>,
}

impl EncodedRows {
    /// Encodes `rows` of a task on all cores.
    ///
    /// # Errors
    /// If the language is one that the backbone does not know, or the tokenizer fails.
    pub fn new(
        backbone: &Backbone,
        task: &str,
        rows: &[LabelledRow],
        language: Option<&str>,
    ) -> Result<Self, RowError> {
        let encode = |row: &LabelledRow| match backbone.encode(&text_input(&row.input), language) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_of_one_text() => Ok(None),
            Err(source) => Err(RowError {
                task: task.to_owned(),
                row: row.id.clone(),
                source: Box::new(source),
            }),
        };
        Ok(Self {
            texts: rows.par_iter().map(encode).collect::<Result<_, _>>()?,
            labels: rows.iter().map(|row| row.label).collect(),
        })
    }

    /// The numbers of the rows that have a text.
    pub fn usable(&self) -> Vec<usize> {
        let texts = self.texts.iter().enumerate();
        texts
            .filter_map(|(row, text)| text.as_ref().map(|_| row))
            .collect()
    }

    /// The text of a usable row.
    ///
    /// # Panics
    /// If the row has none.
    pub fn text(&self, row: usize) -> &EncodedText {
        self.texts[row].as_ref().expect("a usable row")
    }

    fn truncated(&self) -> usize {
        self.texts
            .iter()
            .flatten()
            .filter(|text| text.truncated)
            .count()
    }
}

/// Encoded training and validation rows of a task.
#[derive(Debug, Clone)]
pub struct EncodedTask {
    /// Its name.
    pub name: String,
    /// Rows to train on.
    pub train: EncodedRows,
    /// Rows on which the checkpoint is chosen.
    pub validation: EncodedRows,
    /// Their counts.
    pub counts: TaskCounts,
}

impl EncodedTask {
    /// Encodes the rows of `task`.
    pub fn new(backbone: &Backbone, task: &Task<'_>) -> Result<Self, RowError> {
        let encode =
            |set: &LabelledSet| EncodedRows::new(backbone, task.name, &set.rows, task.language());
        let (train, validation) = (encode(&task.data.train)?, encode(&task.data.validation)?);
        let mut rejected_rows = task.data.train.reasons();
        for (reason, count) in task.data.validation.reasons() {
            *rejected_rows.entry(reason).or_default() += count;
        }
        let counts = TaskCounts {
            labels: task.data.labels.clone(),
            rejected_rows,
            ..TaskCounts::default()
        };
        let mut encoded = Self {
            name: task.name.to_owned(),
            train,
            validation,
            counts,
        };
        encoded.count();
        Ok(encoded)
    }

    /// One part of its rows.
    pub fn rows(&self, part: Part) -> &EncodedRows {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
        }
    }

    /// Leaves out the rows that `is_kept` does not accept.
    pub fn retain(&mut self, is_kept: impl Fn(Part, usize) -> bool) {
        for (part, rows) in [
            (Part::Train, &mut self.train),
            (Part::Validation, &mut self.validation),
        ] {
            for (row, text) in rows.texts.iter_mut().enumerate() {
                text.take_if(|_| !is_kept(part, row));
            }
        }
        self.count();
    }

    fn count(&mut self) {
        let (train, validation) = (&self.train, &self.validation);
        let usable = [train.usable().len(), validation.usable().len()];
        let rows = train.texts.len() + validation.texts.len();
        self.counts.training_rows = usable[0];
        self.counts.validation_rows = usable[1];
        self.counts.truncated_rows = train.truncated() + validation.truncated();
        self.counts.left_out_rows = rows - usable[0] - usable[1];
    }

    /// Warnings about rows that are cut or left out, at a maximum length of `limit` tokens.
    pub fn warnings(&self, limit: usize) -> Vec<String> {
        let TaskCounts {
            training_rows,
            validation_rows,
            truncated_rows,
            left_out_rows,
            ..
        } = self.counts;
        let rows = training_rows + validation_rows + left_out_rows;
        let mut warnings = Vec::new();
        if truncated_rows > 0 {
            warnings.push(format!(
                "task `{}`: {truncated_rows} of {rows} rows have more than {limit} tokens and are cut",
                self.name
            ));
        }
        if left_out_rows > 0 {
            warnings.push(format!(
                "task `{}`: {left_out_rows} of {rows} rows are left out, since their answers alone \
                 have more than {limit} tokens or none",
                self.name
            ));
        }
        if validation_rows == 0 {
            warnings.push(format!(
                "task `{}` has no validation rows: the parameters of the last step are kept",
                self.name
            ));
        }
        warnings
    }
}

/// The two sets of rows of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Rows to train on.
    Train = 0,
    /// Rows on which the checkpoint is chosen.
    Validation = 1,
}

/// A row of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Number of the task.
    pub task: usize,
    /// Number of the row among the task's rows.
    pub row: usize,
}

/// All usable rows of all tasks, in order: the items of a recipe, or what is measured.
pub fn members<'a>(tasks: impl IntoIterator<Item = &'a EncodedRows>) -> Vec<Member> {
    let tasks = tasks.into_iter().enumerate();
    let of_task = |(task, rows): (usize, &EncodedRows)| -> Vec<Member> {
        rows.usable()
            .into_iter()
            .map(|row| Member { task, row })
            .collect()
    };
    tasks.flat_map(of_task).collect()
}
