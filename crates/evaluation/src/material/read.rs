//! Reads questions, pairs, passages and examples line by line; bad lines are set aside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use corpus::record::Example;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Question;

/// The share of unusable lines above which a file is refused.
const TOLERATED: f64 = 0.1;

/// A line that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedLine {
    /// The file.
    pub path: PathBuf,
    /// 1-based line number.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Material that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// The file cannot be read at all.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Too much of the file is unusable.
    #[error(
        "{}: {bad} of {lines} lines are unusable, the first is line {first}: {reason}",
        path.display()
    )]
    TooManyBadLines {
        /// The file.
        path: PathBuf,
        /// Unusable lines.
        bad: usize,
        /// All lines that are not blank.
        lines: usize,
        /// Number of the first unusable line.
        first: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No line at all.
    #[error("{}: no rows in the file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

pub(super) fn questions(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Question>, MaterialError> {
    let mut seen = HashSet::new();
    rows(path, skipped, |line| {
        let question: Question = json(line)?;
        if question.question.trim().is_empty() {
            return Err("`question` is empty".to_owned());
        }
        if !seen.insert(question.id.clone()) {
            return Err(format!("the id {:?} appears twice", question.id));
        }
        Ok(question)
    })
}

pub(super) fn pairs(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<(String, String)>, MaterialError> {
    rows(path, skipped, |line| {
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        match columns[..] {
            [source, target] if !source.is_empty() && !target.is_empty() => {
                Ok((source.to_owned(), target.to_owned()))
            }
            [_, _] => Err("one side of the pair is empty".to_owned()),
            _ => Err(format!(
                "{} columns where source TAB target are expected",
                columns.len()
            )),
        }
    })
}

pub(super) fn texts(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<String>, MaterialError> {
    rows(path, skipped, |line| Ok(line.trim().to_owned()))
}

pub(super) fn examples(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Example>, MaterialError> {
    rows(path, skipped, json)
}

fn json<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

/// Parses every line that is not blank.
fn rows<T>(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
    mut parse: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<T>, MaterialError> {
    let bytes = std::fs::read(path).map_err(|source| MaterialError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let (mut parsed, mut bad) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let outcome = match std::str::from_utf8(line) {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => parse(line.trim_end_matches('\r')),
            Err(error) => Err(format!(
                "not UTF-8 from byte {} of the line",
                error.valid_up_to()
            )),
        };
        match outcome {
            Ok(row) => parsed.push(row),
            Err(reason) => {
                bad.push(SkippedLine {
                    path: path.to_owned(),
                    line: index + 1,
                    reason,
                });
            }
        }
    }
    let lines = parsed.len() + bad.len();
    if lines == 0 {
        return Err(MaterialError::Empty {
            path: path.to_owned(),
        });
    }
    if bad.len() as f64 > TOLERATED * lines as f64 {
        return Err(MaterialError::TooManyBadLines {
            path: path.to_owned(),
            bad: bad.len(),
            lines,
            first: bad[0].line,
            reason: bad.swap_remove(0).reason,
        });
    }
    skipped.append(&mut bad);
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows");
        std::fs::write(&path, content).expect("writes");
        (folder, path)
    }

    #[test]
    fn bad_lines_are_set_aside_with_their_number() {
        let mut content = Vec::new();
        for index in 0..20 {
            content.extend(format!("source {index}\ttarget {index}\r\n").bytes());
        }
        content.extend(b"\nonly one column\nbroken \xff\tutf8\n");
        let (_folder, path) = file(&content);
        let mut skipped = Vec::new();
        let pairs = pairs(&path, &mut skipped).expect("few bad lines are tolerated");
        assert_eq!(pairs.len(), 20);
        assert_eq!(pairs[3], ("source 3".to_owned(), "target 3".to_owned()));
        let numbers: Vec<usize> = skipped.iter().map(|line| line.line).collect();
        assert_eq!(numbers, [22, 23]);
        assert!(
            skipped[1].reason.contains("UTF-8 from byte 7"),
            "{}",
            skipped[1].reason
        );
    }

    #[test]
    fn a_file_of_bad_lines_is_refused_by_name_and_line() {
        let (_folder, path) =
            file(b"{\"id\":\"a\",\"question\":\"q\"}\n{\"id\":\"a\",\"question\":\"again\"}\n");
        let error = questions(&path, &mut Vec::new()).expect_err("half the lines are bad");
        let text = error.to_string();
        assert!(
            text.contains("1 of 2 lines") && text.contains("line 2"),
            "{text}"
        );
        assert!(text.contains("appears twice"), "{text}");
    }

    #[test]
    fn an_empty_file_is_refused() {
        let (_folder, path) = file(b"\n \n");
        assert!(matches!(
            texts(&path, &mut Vec::new()),
            Err(MaterialError::Empty { .. })
        ));
    }
}
