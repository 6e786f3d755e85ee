//! Reads instruction data sets, parallel corpora and text as they are found in the wild.
//!
//! [`load`] reads a file or a folder of files: `.json` (an array), `.jsonl`, `.parquet`, `.csv` or
//! `.tsv`, with questions and answers or conversations. Which columns hold them is told from the first
//! rows of each file (`source::format`), by [`Columns`], or by an entry of LLaMA-Factory's
//! `dataset_info.json` beside it. Unusable rows are rejected with their file, line and reason.
//! [`parallel`] reads sentence pairs, [`lines`] lines of text, [`plain_text`] streams documents of any
//! number and size, and [`passages`] draws passages from them. [`LanguageCheck`](crate::language_check::LanguageCheck) finds texts in another language than they should be.

mod dataset_info;
pub(crate) mod delimited;
mod error;
mod exchange;
mod folder;
mod format;
mod id;
pub(crate) mod json;
pub(crate) mod kind;
mod mojibake;
mod opened;
mod parallel;
pub(crate) mod parquet;
mod passages;
pub mod plain_text;
mod text;
pub(crate) mod tmx;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::SourceError;
pub use format::Columns;
pub use kind::{Kind, check_lines};
pub use opened::wide_encoding;
pub use parallel::{ColumnName, LoadedPairs, ParallelSource, parallel};
pub use passages::{LoadedPassages, PassageCounts, PassageOptions, passages};
pub use text::{LoadedLines, NumberedLine, all_lines, lines};

pub(crate) use folder::entries;
pub(crate) use text::{Text, lossy, utf8};

use crate::record::Instruction;
use crate::rejected::Rejected;
use exchange::Exchange;
use format::Layout;

/// Maximum size of all questions and answers in memory, in bytes.
const MOST_TEXT: usize = 1 << 30;
/// Maximum number of rejected rows in memory.
const MOST_REJECTED: usize = 200_000;

/// Options for reading an instruction data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    /// Loading stops when a larger share of the rows cannot be used.
    pub max_rejected_fraction: f64,
    /// Take the first so many usable rows only.
    pub limit: Option<usize>,
    /// Names of the columns.
    pub columns: Columns,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_rejected_fraction: 0.1,
            limit: None,
            columns: Columns::default(),
        }
    }
}

/// An instruction data set in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The usable rows, in the order of the files.
    pub instructions: Vec<Instruction>,
    /// The others, with file, line and reason.
    pub rejected: Vec<Rejected>,
    /// Numbers of further parts of usable rows that were left out, by kind: `system` (prompts),
    /// `later_turns` (turns after the first answer).
    pub left_out: BTreeMap<&'static str, u64>,
    /// Files of folders that were not read, since their names are those of test or validation
    /// splits.
    pub other_splits: Vec<PathBuf>,
}

/// A row that cannot be used.
#[derive(Debug)]
pub(crate) struct Broken {
    pub reason: &'static str,
    pub detail: String,
    pub row: Value,
}

impl Broken {
    pub fn at(self, path: &Path, line: u64) -> Rejected {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        Rejected {
            id: format!("{name}:{line}"),
            stage: "source".into(),
            field: "row".into(),
            reason: self.reason.into(),
            detail: self.detail,
            row: self.row,
        }
    }
}

/// Reads the data set at `path`, a file or a folder of files in the order of their names.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, SourceError> {
    load_all(&[path], options)
}

/// Reads several data sets as one: identifiers are unique over all of them, and the limit counts
/// all of them.
pub fn load_all(paths: &[impl AsRef<Path>], options: &LoadOptions) -> Result<Loaded, SourceError> {
    let mut loaded = Loaded {
        instructions: Vec::new(),
        rejected: Vec::new(),
        left_out: BTreeMap::new(),
        other_splits: Vec::new(),
    };
    let mut ids = id::Ids::default();
    for path in paths.iter().map(AsRef::as_ref) {
        let before = (loaded.instructions.len(), loaded.rejected.len());
        let is_full = |loaded: &Loaded| {
            let limit = options.limit.unwrap_or(usize::MAX);
            loaded.instructions.len() >= limit
        };
        if is_full(&loaded) && options.limit != Some(0) {
            break;
        }
        let mut files = folder::training_files(path)?;
        loaded.other_splits.append(&mut files.other_splits);
        for file in files.training {
            load_file(&file, options, &mut ids, &mut loaded)?;
            if is_full(&loaded) {
                break;
            }
        }
        let rows = loaded.instructions.len() - before.0;
        judge(
            path,
            &loaded.rejected[before.1..],
            rows,
            options.max_rejected_fraction,
        )?;
        if rows == 0 {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
    }
    Ok(loaded)
}

fn load_file(
    path: &Path,
    options: &LoadOptions,
    ids: &mut id::Ids,
    loaded: &mut Loaded,
) -> Result<(), SourceError> {
    let columns = match dataset_info::columns_of(path)? {
        Some(columns) if options.columns == Columns::default() => columns,
        _ => options.columns.clone(),
    };
    let detect = |rows: &[Value], names: &[String]| Layout::detect(path, &columns, rows, names);
    let mut take = Taking {
        path,
        options,
        ids,
        loaded,
        bytes: 0,
    };
    match Kind::of(path) {
        Some(Kind::Parquet) => {
            let mut rows = parquet::open(path, &|name| columns.may_need(name))?;
            let first = rows
                .by_ref()
                .take(format::SAMPLE)
                .collect::<Result<Vec<_>, _>>()?;
            let sample: Vec<Value> = first.iter().map(|(_, row)| row.clone()).collect();
            let layout = detect(&sample, rows.columns())?;
            drop(sample);
            let rows = first.into_iter().map(Ok).chain(rows);
            take.all(rows.map(|row| row.map(|(line, row)| (line, Exchange::of(row, &layout)))))
        }
        Some(kind @ (Kind::Tabs | Kind::Commas)) => {
            let text = Text::read(path)?;
            let dialect = match kind {
                Kind::Tabs => delimited::Dialect::tabs(false),
                _ => delimited::Dialect::csv(&text),
            };
            let rows = delimited::objects(&text, dialect, path)?;
            let sample = rows
                .iter()
                .filter_map(|(_, row)| row.as_ref().ok())
                .cloned();
            let layout = detect(&sample.take(format::SAMPLE).collect::<Vec<_>>(), &[])?;
            let exchange = |row: Result<Value, _>| row.and_then(|row| Exchange::of(row, &layout));
            take.all(
                rows.into_iter()
                    .map(|(line, row)| Ok((line, exchange(row)))),
            )
        }
        _ => {
            let text = Text::read(path)?;
            let rows = json::rows(&text, path)?;
            let layout = detect(&rows.first(format::SAMPLE), &[])?;
            take.all(rows.exchanges(&layout).into_iter().map(Ok))
        }
    }
}

/// Takes the rows of one file.
struct Taking<'a> {
    path: &'a Path,
    options: &'a LoadOptions,
    ids: &'a mut id::Ids,
    loaded: &'a mut Loaded,
    /// Size of the texts taken.
    bytes: usize,
}

impl Taking<'_> {
    fn all(
        &mut self,
        rows: impl Iterator<Item = Result<(u64, Result<Exchange, Broken>), SourceError>>,
    ) -> Result<(), SourceError> {
        let limit = self.options.limit.unwrap_or(usize::MAX);
        let before = (self.loaded.instructions.len(), self.loaded.rejected.len());
        for row in rows {
            if self.loaded.instructions.len() >= limit {
                break;
            }
            match row? {
                (_, Ok(exchange)) => {
                    self.bytes += exchange.question.len() + exchange.answer.len();
                    if self.bytes > MOST_TEXT {
                        return Err(SourceError::TooMuchText {
                            path: self.path.to_owned(),
                            gib: MOST_TEXT >> 30,
                        });
                    }
                    self.loaded.take(exchange, self.ids);
                }
                (line, Err(broken)) => {
                    self.loaded.rejected.push(broken.at(self.path, line));
                    let rejected = &self.loaded.rejected[before.1..];
                    if rejected.len() >= MOST_REJECTED {
                        return Err(SourceError::MostRejected {
                            path: self.path.to_owned(),
                            rejected: rejected.len(),
                            usable: self.loaded.instructions.len() - before.0,
                            first: format!("{}: {}", rejected[0].id, rejected[0].detail),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

impl Loaded {
    fn take(&mut self, exchange: Exchange, ids: &mut id::Ids) {
        for (kind, count) in [
            ("system", exchange.system),
            ("later_turns", exchange.later_turns),
        ] {
            if count > 0 {
                *self.left_out.entry(kind).or_default() += u64::from(count);
            }
        }
        let id = ids.unique(exchange.id, &exchange.question, &exchange.answer);
        let (question, answer) = (exchange.question, exchange.answer);
        self.instructions.push(Instruction {
            id,
            question,
            answer,
        });
    }
}

/// Stops when more rows than `limit` allows cannot be used.
pub(crate) fn judge(
    path: &Path,
    rejected_rows: &[Rejected],
    usable: usize,
    limit: f64,
) -> Result<(), SourceError> {
    let rejected = rejected_rows.len();
    let rows = rejected + usable;
    if rejected as f64 <= limit * rows as f64 {
        return Ok(());
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rejected_rows {
        *reasons.entry(&row.reason).or_default() += 1;
    }
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(reason, n)| format!("{reason} {n}"))
        .collect();
    let first = &rejected_rows[0];
    Err(SourceError::TooManyRejected {
        path: path.to_owned(),
        rejected,
        rows,
        reasons: reasons.join(", "),
        first: format!("{}: {}", first.id, first.detail),
        percent: limit * 100.0,
    })
}
