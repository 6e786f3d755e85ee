//! Which columns or keys of a parallel corpus hold the two languages.

use std::path::Path;

use serde_json::Value;

use super::super::delimited::Row;
use super::super::text::{abridged, lossy, utf8};
use super::super::{Broken, SourceError};
use super::{ColumnName, Pair, of_bytes, of_texts};
use crate::language::Language;

/// Names of the two columns in corpora that do not name the languages.
const USUAL: [(&str, &str); 4] = [
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("source_text", "target_text"),
];

/// What to do about a table without the columns.
pub(super) const REMEDY: &str = "name those with text: columns = [SOURCE, TARGET]";

/// Rows that are looked at to tell columns of identifiers from columns of text.
const SAMPLE: usize = 100;

/// The languages of a parallel corpus.
pub(super) struct Sides {
    pub from: Language,
    pub to: Language,
}

impl Sides {
    /// Whether a text may be in the column `name`.
    pub fn is_key(&self, name: &str, columns: Option<&[ColumnName; 2]>) -> bool {
        match columns {
            Some(columns) => columns.iter().any(|column| column.is(name)),
            None => {
                self.is_language(name, self.from)
                    || self.is_language(name, self.to)
                    || USUAL
                        .iter()
                        .any(|(source, target)| same(name, source) || same(name, target))
            }
        }
    }

    /// The names that were looked for, for a message.
    pub fn names(&self, columns: Option<&[ColumnName; 2]>) -> String {
        match columns {
            Some([source, target]) => format!("{source} or {target}"),
            None => format!("{} or {} or translation", self.from, self.to),
        }
    }

    fn is_language(&self, name: &str, language: Language) -> bool {
        Language::parse(name.trim()) == Ok(language)
    }

    /// The places of both languages among the names of columns.
    fn among(&self, names: &[&str]) -> Option<(usize, usize)> {
        let language = |language| {
            names
                .iter()
                .position(|name| self.is_language(name, language))
        };
        let usual = |wanted: &str| names.iter().position(|name| same(name, wanted));
        let mut pairs = USUAL.iter();
        language(self.from)
            .zip(language(self.to))
            .or_else(|| pairs.find_map(|(source, target)| usual(source).zip(usual(target))))
    }

    /// The pair of a JSON object: a key for each language.
    pub fn of_object(&self, row: Value, columns: Option<&[ColumnName; 2]>) -> Pair {
        let texts = row.get("translation").filter(|texts| texts.is_object());
        let Some(texts) = texts.unwrap_or(&row).as_object() else {
            return Err(missing("not_an_object", "not a JSON object".into(), row));
        };
        let keys: Vec<&str> = texts.keys().map(String::as_str).collect();
        let places = match columns {
            Some([source, target]) => {
                let place = |column: &ColumnName| keys.iter().position(|key| column.is(key));
                place(source).zip(place(target))
            }
            None => self.among(&keys),
        };
        let text = |place: usize| texts.get(keys[place]).and_then(Value::as_str);
        match places.and_then(|(source, target)| text(source).zip(text(target))) {
            Some((source, target)) => of_texts(source, target),
            None => {
                let detail = format!(
                    "no texts in {}; it has {}; name the keys: {{ path = …, columns = [SOURCE, TARGET] }}",
                    self.names(columns),
                    keys.join(", ")
                );
                Err(missing("missing_key", detail, row))
            }
        }
    }

    /// The pair of a unit of a translation memory.
    pub fn of_unit(&self, mut texts: Vec<(String, String)>) -> Pair {
        let mut text = |language| {
            let place = texts
                .iter()
                .position(|(name, _)| self.is_language(name, language))?;
            Some(texts.swap_remove(place).1)
        };
        match text(self.from).zip(text(self.to)) {
            Some((source, target)) => of_texts(&source, &target),
            None => {
                let found: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
                let detail = format!(
                    "no text for both {} and {}; besides, it has {}",
                    self.from,
                    self.to,
                    found.join(", ")
                );
                Err(missing("missing_language", detail, Value::Null))
            }
        }
    }

    /// The pairs of a separated file.
    pub fn of_rows(
        &self,
        path: &Path,
        rows: Vec<(u64, Row)>,
        columns: Option<&[ColumnName; 2]>,
    ) -> Result<Vec<(u64, Pair)>, SourceError> {
        let Some((_, first)) = rows.first() else {
            return Ok(Vec::new());
        };
        let header: Vec<String> = first.iter().map(|cell| name(cell)).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let named = self.among(&header);
        let (places, has_header) = match columns {
            Some([ColumnName::Number(source), ColumnName::Number(target)]) => {
                let (source, target) = (source.saturating_sub(1), target.saturating_sub(1));
                ((source, target), named.is_some())
            }
            Some([source, target]) => {
                let place = |column: &ColumnName| match column {
                    ColumnName::Number(number) => number.checked_sub(1),
                    ColumnName::Name(_) => header.iter().position(|name| column.is(name)),
                };
                let Some(places) = place(source).zip(place(target)) else {
                    return Err(SourceError::NoColumn {
                        path: path.to_owned(),
                        wanted: self.names(columns),
                        columns: header.join(", "),
                        remedy: REMEDY.to_owned(),
                    });
                };
                (places, true)
            }
            None => match named {
                Some(places) => (places, true),
                None if is_tatoeba(&rows) => ((1, 3), false),
                None => ((0, 1), false),
            },
        };
        let (source, target) = places;
        let pair = |cells: Row| match (cells.get(source), cells.get(target)) {
            (Some(source), Some(target)) => of_bytes(source, target),
            _ => {
                let found = match cells.len() {
                    1 => "no tab".to_owned(),
                    count => format!("{count} columns"),
                };
                let detail = format!(
                    "{found}; columns {} and {} are needed",
                    source + 1,
                    target + 1
                );
                Err(missing(
                    "missing_column",
                    detail,
                    lossy(&cells.join(&b'\t')),
                ))
            }
        };
        let rows = rows.into_iter().skip(usize::from(has_header));
        Ok(rows.map(|(line, cells)| (line, pair(cells))).collect())
    }
}

impl ColumnName {
    fn is(&self, name: &str) -> bool {
        match self {
            ColumnName::Name(own) => own == name,
            ColumnName::Number(_) => false,
        }
    }
}

impl std::fmt::Display for ColumnName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ColumnName::Name(name) => write!(f, "{name:?}"),
            ColumnName::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Whether the rows are identifier, text, identifier, text, as Tatoeba exports pairs.
fn is_tatoeba(rows: &[(u64, Row)]) -> bool {
    let is_number = |cell: &Vec<u8>| {
        let cell = cell.trim_ascii();
        !cell.is_empty() && cell.iter().all(u8::is_ascii_digit)
    };
    let fits = |(_, cells): &(u64, Row)| {
        cells.len() >= 4
            && [0, 2].iter().all(|&place| is_number(&cells[place]))
            && ![1, 3].iter().all(|&place| is_number(&cells[place]))
    };
    let sample = &rows[..rows.len().min(SAMPLE)];
    !sample.is_empty() && sample.iter().all(fits)
}

fn same(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted)
}

/// A cell as the name of a column.
fn name(cell: &[u8]) -> String {
    utf8(cell)
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

fn missing(reason: &'static str, detail: String, row: Value) -> Broken {
    Broken {
        reason,
        detail,
        row: abridged(row),
    }
}
