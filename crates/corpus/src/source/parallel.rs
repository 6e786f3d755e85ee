//! Parallel corpora: sentence pairs between the source and a target language (section 3.2.4).

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::{Text, lossy, utf8};
use super::{Broken, SourceError, extension, json};
use crate::file_path::FilePath;
use crate::language::Language;
use crate::rejected::Rejected;

/// The files of a parallel corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParallelSource {
    /// One file: `.jsonl` with a key a language (in any scheme, also below `translation`), or
    /// tab-separated text with the source in the first column and the target in the second. A
    /// first line that names both languages orders the columns.
    File(FilePath),
    /// Two files with a sentence a line (Moses).
    Aligned {
        /// The file in the source language.
        source: FilePath,
        /// The file in the target language.
        target: FilePath,
    },
}

impl ParallelSource {
    /// The files that the pairs are in.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (first, second): (&Path, Option<&Path>) = match self {
            ParallelSource::File(path) => (path, None),
            ParallelSource::Aligned { source, target } => (source, Some(target)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Sentence pairs in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedPairs {
    /// Sentence in the source language and its translation into the target language.
    pub pairs: Vec<(String, String)>,
    /// Lines that hold no pair, with file, line and reason.
    pub rejected: Vec<Rejected>,
}

type Pair = Result<(String, String), Broken>;

/// Reads the sentence pairs between `from` and `to`.
pub fn parallel(
    source: &ParallelSource,
    from: Language,
    to: Language,
) -> Result<LoadedPairs, SourceError> {
    let (path, pairs) = match source {
        ParallelSource::Aligned { source, target } => (source, aligned(source, target)?),
        ParallelSource::File(path) => {
            let text = Text::read(path)?;
            let pairs = match extension(path) {
                Some("jsonl" | "ndjson" | "json") => {
                    let rows = json::rows(&text, path)?;
                    let pair = |row: Result<Value, _>| row.and_then(|row| of_keys(row, from, to));
                    rows.parsed().map(|(line, row)| (line, pair(row))).collect()
                }
                _ => tab_separated(&text, from, to),
            };
            (path, pairs)
        }
    };
    let mut loaded = LoadedPairs {
        pairs: Vec::new(),
        rejected: Vec::new(),
    };
    for (line, pair) in pairs {
        match pair {
            Ok(pair) => loaded.pairs.push(pair),
            Err(broken) => loaded.rejected.push(broken.at(path, line)),
        }
    }
    if loaded.pairs.is_empty() {
        return match loaded.rejected.first() {
            None => Err(SourceError::Empty {
                path: path.clone().into(),
            }),
            Some(first) => Err(SourceError::NoPairs {
                path: path.clone().into(),
                first: format!("{}: {}", first.id, first.detail),
            }),
        };
    }
    Ok(loaded)
}

fn aligned(source: &Path, target: &Path) -> Result<Vec<(u64, Pair)>, SourceError> {
    let (source_text, target_text) = (Text::read(source)?, Text::read(target)?);
    let source_lines: Vec<_> = source_text.lines().collect();
    let target_lines: Vec<_> = target_text.lines().collect();
    if source_lines.len() != target_lines.len() {
        return Err(SourceError::Unaligned {
            source_path: source.to_owned(),
            source_lines: source_lines.len(),
            target_path: target.to_owned(),
            target_lines: target_lines.len(),
        });
    }
    let pairs = source_lines.iter().zip(&target_lines);
    Ok(pairs
        .map(|((line, source), (_, target))| (*line, of_texts(source, target)))
        .collect())
}

fn columns(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b'\t')
}

fn tab_separated(text: &Text, from: Language, to: Language) -> Vec<(u64, Pair)> {
    let mut lines = text.full_lines().peekable();
    let (mut source, mut target) = (0, 1);
    if let Some(&(_, header)) = lines.peek() {
        let named = |language: Language| {
            columns(header).position(|cell: &[u8]| {
                utf8(cell).is_ok_and(|name| Language::parse(name.trim()) == Ok(language))
            })
        };
        if let Some((s, t)) = named(from).zip(named(to)) {
            (source, target) = (s, t);
            lines.next();
        }
    }
    lines
        .map(|(line, bytes)| {
            let cell = |index| columns(bytes).nth(index);
            let pair = match (cell(source), cell(target)) {
                (Some(source), Some(target)) => of_texts(source, target),
                _ => Err(Broken {
                    reason: "missing_column",
                    detail: format!("{} of two tab-separated columns", columns(bytes).count()),
                    row: lossy(bytes),
                }),
            };
            (line, pair)
        })
        .collect()
}

fn of_texts(source: &[u8], target: &[u8]) -> Pair {
    let row = || Value::from(vec![lossy(source), lossy(target)]);
    let text = |side| {
        utf8(side).map_err(|broken| Broken {
            row: row(),
            ..broken
        })
    };
    let (source_text, target_text) = (text(source)?.trim(), text(target)?.trim());
    if source_text.is_empty() || target_text.is_empty() {
        return Err(Broken {
            reason: "empty_side",
            detail: "one side of the pair is empty".into(),
            row: row(),
        });
    }
    Ok((source_text.to_owned(), target_text.to_owned()))
}

/// An object with a key for each language.
fn of_keys(row: Value, from: Language, to: Language) -> Pair {
    let texts = row.get("translation").unwrap_or(&row);
    let text = |language: Language| {
        let mut entries = texts.as_object()?.iter();
        entries.find_map(|(key, value)| {
            (Language::parse(key) == Ok(language)).then(|| value.as_str())?
        })
    };
    match (text(from), text(to)) {
        (Some(source), Some(target)) => of_texts(source.as_bytes(), target.as_bytes()),
        _ => {
            let detail = format!("no text for both {from} and {to}");
            Err(Broken {
                reason: "missing_key",
                detail,
                row,
            })
        }
    }
}
