//! The files that a path or a pattern stands for.

use std::path::{Path, PathBuf};

use super::super::kind::Kind;
use super::super::{SourceError, entries};

/// The file at `path`; all files of known kinds in a folder; or all files that match a pattern.
pub(super) fn matching(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let files: Vec<PathBuf> = if path.is_dir() {
        let mut files = entries(path)?;
        files.retain(|file| has_text(file) && file.is_file());
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

/// Whether a file of this name may hold plain text.
fn has_text(path: &Path) -> bool {
    Kind::of(path).is_some_and(|kind| kind != Kind::Tmx)
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
}
