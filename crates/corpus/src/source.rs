//! Reads instruction data sets and parallel corpora as they are found in the wild.
//!
//! [`load`] reads a file or a folder of files: `.json` (an array), `.jsonl`, `.parquet`, laid out
//! as Alpaca, ShareGPT, chat `messages`, prompt/completion or question/answer (`source::format`). Which
//! one is told from the first rows of each file, or by an entry of LLaMA-Factory's
//! `dataset_info.json` beside it. Unusable rows are rejected with their file, line and reason. [`parallel`] reads sentence pairs, [`lines`] lines of text, and [`plain_text`] streams documents of any number and size.

mod dataset_info;
mod error;
mod exchange;
mod format;
mod id;
pub(crate) mod json;
mod parallel;
pub(crate) mod parquet;
pub mod plain_text;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::SourceError;
pub use parallel::{LoadedPairs, ParallelSource, parallel};
pub use text::{LoadedLines, lines};

pub(crate) use text::{Text, lossy, utf8};

use crate::record::Instruction;
use crate::rejected::Rejected;
use exchange::Exchange;
use format::Layout;

/// Options for reading an instruction data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    /// Loading stops when a larger share of the rows cannot be used.
    pub max_rejected_fraction: f64,
    /// Take the first so many usable rows only.
    pub limit: Option<usize>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_rejected_fraction: 0.1,
            limit: None,
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
        for file in files(path)? {
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
    let bytes = std::fs::read(path).map_err(SourceError::io(path))?;
    let text;
    let rows = if extension(path) == Some("parquet") {
        Rows::Values(parquet::read(path, bytes)?)
    } else {
        text = Text::of(path, bytes)?;
        Rows::Json(json::rows(&text, path)?)
    };
    let layout = match dataset_info::layout_of(path)? {
        Some(layout) => layout,
        None => Layout::detect(path, &rows.first(16))?,
    };

    for (line, exchange) in rows.exchanges(&layout) {
        if options
            .limit
            .is_some_and(|limit| loaded.instructions.len() == limit)
        {
            break;
        }
        match exchange {
            Ok(exchange) => loaded.take(exchange, ids),
            Err(broken) => loaded.rejected.push(broken.at(path, line)),
        }
    }
    Ok(())
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

/// The rows of one file.
enum Rows<'t> {
    /// Unparsed.
    Json(json::JsonRows<'t>),
    /// Parsed; numbered from 1.
    Values(Vec<Value>),
}

impl Rows<'_> {
    /// The first usable objects, to tell the layout from.
    fn first(&self, count: usize) -> Vec<Value> {
        match self {
            Rows::Json(rows) => rows.first(count),
            Rows::Values(rows) => rows.iter().take(count).cloned().collect(),
        }
    }

    /// The exchange of every row with its line, in order.
    fn exchanges(self, layout: &Layout) -> Vec<(u64, Result<Exchange, Broken>)> {
        match self {
            Rows::Json(rows) => rows.exchanges(layout),
            Rows::Values(rows) => {
                let exchanges = rows.into_iter().map(|row| Exchange::of(row, layout));
                (1..).zip(exchanges).collect()
            }
        }
    }
}

/// The data files at `path`.
fn files(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let metadata = std::fs::metadata(path).map_err(SourceError::io(path))?;
    if !metadata.is_dir() {
        return match extension(path) {
            Some("json" | "jsonl" | "ndjson" | "parquet") => Ok(vec![path.to_owned()]),
            _ => Err(SourceError::Extension {
                path: path.to_owned(),
            }),
        };
    }
    let mut files = entries(path)?;
    files.retain(|file| {
        let is_data = matches!(
            extension(file),
            Some("json" | "jsonl" | "ndjson" | "parquet")
        );
        is_data && file.is_file() && !file.ends_with(dataset_info::FILE_NAME)
    });
    if files.is_empty() {
        return Err(SourceError::NoFiles {
            path: path.to_owned(),
        });
    }
    Ok(files)
}

/// The entries of a folder in the order of their names.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = std::fs::read_dir(folder).map_err(SourceError::io(folder))?;
    let paths = entries.map(|entry| Ok(entry.map_err(SourceError::io(folder))?.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, SourceError>>()?;
    paths.sort();
    Ok(paths)
}

pub(crate) fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

/// Stops when more rows than `limit` allows cannot be used.
fn judge(
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
