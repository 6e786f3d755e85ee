//! The files that a path or a pattern stands for, and what they hold.

use std::path::{Path, PathBuf};

use super::super::{SourceError, entries, extension};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A document a line.
    Lines,
    /// A JSON array, or JSON lines.
    Json,
    /// JSON lines.
    JsonLines,
    /// Tab-separated columns.
    Columns,
    /// A Parquet table.
    Parquet,
}

impl Kind {
    /// The kind of a file with this name; `None` for an unknown ending.
    pub fn of(path: &Path) -> Option<Kind> {
        let bare = match is_compressed(path) {
            true => path.with_extension(""),
            false => path.to_owned(),
        };
        match extension(&bare)? {
            "txt" => Some(Kind::Lines),
            "json" => Some(Kind::Json),
            "jsonl" | "ndjson" => Some(Kind::JsonLines),
            "tsv" => Some(Kind::Columns),
            "parquet" => Some(Kind::Parquet),
            _ => None,
        }
    }
}

/// Whether the file is compressed with gzip, by its name.
pub(super) fn is_compressed(path: &Path) -> bool {
    extension(path) == Some("gz")
}

/// The file at `path`; all files of known kinds in a folder; or all files that match a pattern.
pub(super) fn matching(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let files: Vec<PathBuf> = if path.is_dir() {
        let mut files = entries(path)?;
        files.retain(|file| Kind::of(file).is_some() && file.is_file());
        files
    } else if name.contains('*') && !path.exists() {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut files = entries(folder)?;
        files.retain(|file| {
            let found = file.file_name().unwrap_or_default().to_string_lossy();
            file.is_file() && matches(&name, &found)
        });
        files
    } else {
        std::fs::metadata(path).map_err(SourceError::io(path))?;
        vec![path.to_owned()]
    };
    match files.is_empty() {
        true => Err(SourceError::NoTextFiles {
            path: path.to_owned(),
        }),
        false => Ok(files),
    }
}

/// Whether `name` is `pattern`, in which each `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.into_iter().any(|at| matches(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("*.jsonl", "a.jsonl") && !matches("*.jsonl", "a.json"));
        assert!(matches("00*_0*.parquet", "001_00002.parquet"));
        assert!(matches("train", "train") && !matches("train", "train2"));
        assert!(matches("é*", "éa") && matches("*", ""));
    }

    #[test]
    fn the_kind_is_told_by_the_ending() {
        assert_eq!(Kind::of(Path::new("a/b.jsonl.gz")), Some(Kind::JsonLines));
        assert_eq!(Kind::of(Path::new("a.txt")), Some(Kind::Lines));
        assert_eq!(Kind::of(Path::new("tatoeba.eng")), None);
    }
}
