//! Reads questions, pairs, passages and examples line by line; bad lines are set aside.

use std::collections::HashSet;
use std::path::Path;

use corpus::record::Example;
use serde::de::DeserializeOwned;

use crate::rows::{self, MaterialError, Question, SkippedLine};

pub(super) fn questions(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Question>, MaterialError> {
    let mut seen = HashSet::new();
    rows::read(path, skipped, |line| {
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
    rows::read(path, skipped, |line| {
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
    rows::read(path, skipped, |line| Ok(line.trim().to_owned()))
}

pub(super) fn examples(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Example>, MaterialError> {
    rows::read(path, skipped, json)
}

fn json<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
