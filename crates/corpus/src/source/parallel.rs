//! Parallel corpora: sentence pairs between the source and a target language (section 3.2.4).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Broken, SourceError, extension, json};
use crate::language::Language;
use crate::rejected::Rejected;

/// Where sentence pairs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParallelSource {
    /// One file: `.jsonl` with a key a language (in any scheme, also below `translation`), or
    /// tab-separated text with the source in the first column and the target in the second. A
    /// first line that names both languages orders the columns.
    File(PathBuf),
    /// Two files with a sentence a line (Moses).
    Aligned {
        /// The file in the source language.
        source: PathBuf,
        /// The file in the target language.
        target: PathBuf,
    },
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
            let text = std::fs::read(path).map_err(SourceError::io(path))?;
            let pairs = match extension(path) {
                Some("jsonl" | "ndjson" | "json") => {
                    let text = json::Text::new(path, text)?;
                    let rows = text.rows(path)?;
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
            None => Err(SourceError::Empty { path: path.clone() }),
            Some(first) => Err(SourceError::NoPairs {
                path: path.clone(),
                first: format!("{}: {}", first.id, first.detail),
            }),
        };
    }
    Ok(loaded)
}

/// Lines that are not blank, numbered from 1.
fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let numbered = (1..).zip(text.split(|&byte| byte == b'\n'));
    numbered.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
}

fn aligned(source: &Path, target: &Path) -> Result<Vec<(u64, Pair)>, SourceError> {
    let read = |path: &Path| std::fs::read(path).map_err(SourceError::io(path));
    let (source_text, target_text) = (read(source)?, read(target)?);
    let split = |text: &[u8]| -> Vec<Vec<u8>> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        text.split(|&byte| byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (source_lines, target_lines) = (split(&source_text), split(&target_text));
    if source_lines.len() != target_lines.len() {
        return Err(SourceError::Unaligned {
            source_path: source.to_owned(),
            source_lines: source_lines.len(),
            target_path: target.to_owned(),
            target_lines: target_lines.len(),
        });
    }
    let pairs = source_lines
        .iter()
        .zip(&target_lines)
        .map(|(s, t)| of_texts(s, t));
    Ok((1..).zip(pairs).collect())
}

fn tab_separated(text: &[u8], from: Language, to: Language) -> Vec<(u64, Pair)> {
    let columns = |line: &[u8]| -> Vec<Vec<u8>> {
        line.split(|&byte| byte == b'\t')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let mut lines = lines(text).peekable();
    let (mut source, mut target) = (0, 1);
    if let Some((_, header)) = lines.peek() {
        let named = |language: Language| {
            let is = |cell: &Vec<u8>| {
                std::str::from_utf8(cell).is_ok_and(|name| Language::parse(name) == Ok(language))
            };
            columns(header).iter().position(is)
        };
        if let Some((s, t)) = named(from).zip(named(to)) {
            (source, target) = (s, t);
            lines.next();
        }
    }
    lines
        .map(|(line, bytes)| {
            let cells = columns(bytes);
            let pair = match (cells.get(source), cells.get(target)) {
                (Some(source), Some(target)) => of_texts(source, target),
                _ => Err(Broken {
                    reason: "missing_column",
                    detail: format!("{} of two tab-separated columns", cells.len()),
                    row: Value::String(String::from_utf8_lossy(bytes).trim_end().to_owned()),
                }),
            };
            (line, pair)
        })
        .collect()
}

fn of_texts(source: &[u8], target: &[u8]) -> Pair {
    let row = || {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Value::from(vec![text(source), text(target)])
    };
    let (Ok(source), Ok(target)) = (std::str::from_utf8(source), std::str::from_utf8(target))
    else {
        return Err(Broken {
            reason: "not_utf8",
            detail: "the line is not UTF-8".into(),
            row: row(),
        });
    };
    let (source, target) = (source.trim(), target.trim());
    if source.is_empty() || target.is_empty() {
        let detail = "one side of the pair is empty".into();
        return Err(Broken {
            reason: "empty_side",
            detail,
            row: row(),
        });
    }
    Ok((source.to_owned(), target.to_owned()))
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
