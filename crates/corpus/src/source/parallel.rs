//! Parallel corpora: sentence pairs between the source and a target language (section 3.2.4).

mod columns;

use std::path::Path;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_untagged::UntaggedEnumVisitor;

use super::kind::Kind;
use super::text::{Text, lossy, sentence_fault, utf8};
use super::{Broken, SourceError, delimited, json, judge, parquet, tmx};
use crate::file_path::{self, FilePath};
use crate::language::Language;
use crate::rejected::Rejected;
use columns::Sides;

/// The files of a parallel corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ParallelSource {
    /// One file. `.jsonl`, `.json` and `.parquet` have a key for each language, in any scheme, also
    /// below `translation` (as OPUS-100 on the Hugging Face Hub), or `source` and `target`. `.csv`
    /// and all other files, which are separated by tabs, have the source in the first column and
    /// the target in the second, unless a first line names the columns like this; id TAB text TAB
    /// id TAB text (Tatoeba) is understood, too. `.tmx` is a translation memory. All but Parquet may
    /// be compressed with gzip.
    File(FilePath),
    /// One file whose texts are in other columns.
    Columns {
        /// The file.
        path: FilePath,
        /// The columns of the source and of the target: names or, in separated files, numbers from 1.
        columns: [ColumnName; 2],
    },
    /// Two files with a sentence per line (Moses).
    Aligned {
        /// The file in the source language.
        source: FilePath,
        /// The file in the target language.
        target: FilePath,
    },
    /// Several of the above, read one after another.
    Several(Vec<ParallelSource>),
}

/// The forms of a corpus, for those who wrote another.
const FORMS: &str = "a file, { path = FILE, columns = [SOURCE, TARGET] }, \
                     { source = FILE, target = FILE } or a list of these";

impl<'de> Deserialize<'de> for ParallelSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keys {
            path: Option<FilePath>,
            columns: Option<[ColumnName; 2]>,
            source: Option<FilePath>,
            target: Option<FilePath>,
        }
        let other_form = || serde_untagged::de::Error::custom(format!("expected {FORMS}"));
        UntaggedEnumVisitor::new()
            .expecting(FORMS)
            .string(file_path::of_text)
            .seq(|parts| {
                let parts: Vec<ParallelSource> = parts.deserialize()?;
                let nested = |part: &ParallelSource| matches!(part, ParallelSource::Several(_));
                match parts.is_empty() || parts.iter().any(nested) {
                    true => Err(other_form()),
                    false => Ok(ParallelSource::Several(parts)),
                }
            })
            .map(|keys| {
                let Keys {
                    path,
                    columns,
                    source,
                    target,
                } = keys.deserialize()?;
                match (path, columns, source, target) {
                    (Some(path), Some(columns), None, None) => {
                        Ok(ParallelSource::Columns { path, columns })
                    }
                    (None, None, Some(source), Some(target)) => {
                        Ok(ParallelSource::Aligned { source, target })
                    }
                    _ => Err(other_form()),
                }
            })
            .deserialize(deserializer)
    }
}

impl From<FilePath> for ParallelSource {
    fn from(path: FilePath) -> Self {
        ParallelSource::File(path)
    }
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name or the number of a column")]
pub enum ColumnName {
    /// Its number, from 1.
    Number(usize),
    /// Its name.
    Name(String),
}

impl ParallelSource {
    /// The corpora one by one: those of a list, or this one.
    pub fn parts(&self) -> &[ParallelSource] {
        match self {
            ParallelSource::Several(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The files that the pairs are in.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts().iter().flat_map(|part| {
            let (first, second): (Option<&Path>, Option<&Path>) = match part {
                ParallelSource::File(path) | ParallelSource::Columns { path, .. } => {
                    (Some(path), None)
                }
                ParallelSource::Aligned { source, target } => (Some(source), Some(target)),
                ParallelSource::Several(_) => (None, None),
            };
            first.into_iter().chain(second)
        })
    }

    /// The file that stands for all of them.
    pub(crate) fn path(&self) -> &Path {
        self.files().next().unwrap_or(Path::new(""))
    }
}

/// Sentence pairs in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedPairs {
    /// Sentence in the source language and its translation into the target language.
    pub pairs: Vec<(String, String)>,
    /// Lines that hold no pair, with file, line and reason.
    pub rejected: Vec<Rejected>,
}

impl LoadedPairs {
    /// Adds the pairs of another corpus after these.
    pub fn append(&mut self, next: LoadedPairs) {
        self.pairs.extend(next.pairs);
        self.rejected.extend(next.rejected);
    }
}

pub(super) type Pair = Result<(String, String), Broken>;

/// Reads the sentence pairs between `from` and `to`.
///
/// # Errors
/// If a file cannot be read, holds no pair, or more than `max_rejected_fraction` of its pairs
/// cannot be used. That one of several corpora is good does not excuse another.
pub fn parallel(
    source: &ParallelSource,
    from: Language,
    to: Language,
    max_rejected_fraction: f64,
) -> Result<LoadedPairs, SourceError> {
    let sides = Sides { from, to };
    let pairs = match source {
        ParallelSource::Several(parts) => {
            let mut all = LoadedPairs::default();
            for part in parts {
                all.append(parallel(part, from, to, max_rejected_fraction)?);
            }
            return Ok(all);
        }
        ParallelSource::Aligned { source, target } => aligned(source, target)?,
        ParallelSource::File(path) => of_file(path, &sides, None)?,
        ParallelSource::Columns { path, columns } => of_file(path, &sides, Some(columns))?,
    };
    let path = source.path();
    let mut loaded = LoadedPairs::default();
    for (line, pair) in pairs {
        match pair {
            Ok(pair) => loaded.pairs.push(pair),
            Err(broken) => loaded.rejected.push(broken.at(path, line)),
        }
    }
    judge(
        path,
        &loaded.rejected,
        loaded.pairs.len(),
        max_rejected_fraction,
    )?;
    match (loaded.pairs.is_empty(), loaded.rejected.first()) {
        (false, _) => Ok(loaded),
        (true, None) => Err(SourceError::Empty {
            path: path.to_owned(),
        }),
        (true, Some(first)) => Err(SourceError::NoPairs {
            path: path.to_owned(),
            first: format!("{}: {}", first.id, first.detail),
        }),
    }
}

fn of_file(
    path: &Path,
    sides: &Sides,
    columns: Option<&[ColumnName; 2]>,
) -> Result<Vec<(u64, Pair)>, SourceError> {
    match Kind::of(path) {
        Some(Kind::Parquet) => {
            let wanted = |name: &str| name == "translation" || sides.is_key(name, columns);
            let rows = parquet::open(path, &wanted)?;
            let keys = rows.columns().join(", ");
            let pairs =
                rows.map(|row| row.map(|(line, row)| (line, sides.of_object(row, columns))));
            let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
            match pairs.is_empty() && !keys.is_empty() {
                true => Err(SourceError::NoColumn {
                    path: path.to_owned(),
                    wanted: sides.names(columns),
                    columns: keys,
                    remedy: columns::REMEDY.to_owned(),
                }),
                false => Ok(pairs),
            }
        }
        Some(Kind::Json | Kind::JsonLines) => {
            let text = Text::read(path)?;
            let rows = json::rows(&text, path)?;
            let pair = |row: Result<Value, _>| row.and_then(|row| sides.of_object(row, columns));
            Ok(rows.parsed().map(|(line, row)| (line, pair(row))).collect())
        }
        Some(Kind::Tmx) => {
            let text = Text::read(path)?;
            let units = tmx::units(&text, path)?;
            let pair = |texts| sides.of_unit(texts);
            Ok(units
                .into_iter()
                .map(|(line, texts)| (line, pair(texts)))
                .collect())
        }
        Some(Kind::Commas) => {
            let text = Text::read(path)?;
            let rows = delimited::csv_rows(&text, path)?;
            sides.of_rows(path, rows, columns)
        }
        Some(Kind::Lines | Kind::Tabs) | None => {
            let text = Text::read(path)?;
            let cells = |line: &[u8]| -> delimited::Row {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                line.split(|&byte| byte == b'\t').map(unquoted).collect()
            };
            let lines = text.full_lines().map(|(line, bytes)| (line, cells(bytes)));
            sides.of_rows(path, lines.collect(), columns)
        }
    }
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
        .map(|((line, source), (_, target))| (*line, of_bytes(source, target)))
        .collect())
}

/// A cell without the quotes that spreadsheets put around a cell with quotes in it. Other cells
/// that begin with a quote are text: most tab-separated corpora quote nothing.
fn unquoted(cell: &[u8]) -> Vec<u8> {
    let inner = cell
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return cell.to_vec();
    };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    let mut doubled = false;
    while let Some(byte) = bytes.next() {
        if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
            return cell.to_vec();
        }
        doubled |= byte == b'"';
        text.push(byte);
    }
    match doubled {
        true => text,
        false => cell.to_vec(),
    }
}

fn of_bytes(source: &[u8], target: &[u8]) -> Pair {
    let text = |side| {
        utf8(side).map_err(|broken| Broken {
            row: Value::from(vec![lossy(source), lossy(target)]),
            ..broken
        })
    };
    of_texts(text(source)?, text(target)?)
}

fn of_texts(source: &str, target: &str) -> Pair {
    let (source, target) = (source.trim(), target.trim());
    let broken = |reason, detail| Broken {
        reason,
        detail,
        row: Value::from(vec![lossy(source.as_bytes()), lossy(target.as_bytes())]),
    };
    if source.is_empty() || target.is_empty() {
        return Err(broken("empty_side", "one side of the pair is empty".into()));
    }
    match sentence_fault(source).or_else(|| sentence_fault(target)) {
        Some((reason, detail)) => Err(broken(reason, detail)),
        None => Ok((source.to_owned(), target.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_quotes_of_spreadsheets_are_taken_off() {
        let text = |cell: &str| String::from_utf8(unquoted(cell.as_bytes())).unwrap();
        assert_eq!(text(r#""The ""old"" house""#), r#"The "old" house"#);
        for cell in [
            r#""Hello.""#,
            r#""Hi," he said, "bye.""#,
            r#"""#,
            "",
            "plain",
        ] {
            assert_eq!(text(cell), cell);
        }
    }
}
