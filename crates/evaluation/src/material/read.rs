//! Reads questions, pairs, passages and examples line by line; bad lines are set aside.

use std::collections::HashSet;
use std::path::Path;

use corpus::language::Language;
use corpus::plain_words::json_fault;
use corpus::record::Example;
use corpus::source::{LoadedPairs, ParallelSource};
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

/// The sentence pairs of `files`, in every format that the training corpora may have.
pub(super) fn pairs(
    files: &ParallelSource,
    source: Language,
    target: Language,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<(String, String)>, MaterialError> {
    let LoadedPairs { pairs, rejected } = corpus::source::parallel(files, source, target)?;
    let path = files.files().next().unwrap_or(Path::new(""));
    let bad = rejected.into_iter().map(|row| SkippedLine {
        path: path.to_owned(),
        // A broken line has no other identifier than FILE:LINE.
        line: row
            .id
            .rsplit(':')
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or(0),
        reason: row.detail,
    });
    rows::tolerated(path, pairs.len(), bad.collect(), skipped)?;
    Ok(pairs)
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
    serde_json::from_str(line).map_err(|error| json_fault(&error))
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
        let files = ParallelSource::File(path.into());
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        let pairs = pairs(&files, from, to, &mut skipped).expect("few bad lines are tolerated");
        assert_eq!(pairs.len(), 20);
        assert_eq!(pairs[3], ("source 3".to_owned(), "target 3".to_owned()));
        let numbers: Vec<usize> = skipped.iter().map(|line| line.line).collect();
        assert_eq!(numbers, [22, 23]);
        assert!(skipped[1].reason.contains("UTF-8"), "{}", skipped[1].reason);
    }

    #[test]
    fn pairs_may_be_in_two_files_or_in_json_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path.into()
        };
        let aligned = ParallelSource::Aligned {
            source: write("eng_Latn.devtest", "A house.\nA sea.\n"),
            target: write("por_Latn.devtest", "Uma casa.\nUm mar.\n"),
        };
        let json = "{\"en\": \"A house.\", \"pt\": \"Uma casa.\"}\n{\"en\": \"A sea.\", \"pt\": \"Um mar.\"}\n";
        let json = ParallelSource::File(write("pairs.jsonl", json));
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        for files in [aligned, json] {
            let pairs = pairs(&files, from, to, &mut Vec::new()).expect("pairs");
            assert_eq!(pairs[1], ("A sea.".to_owned(), "Um mar.".to_owned()));
            assert_eq!(pairs.len(), 2);
        }
        let uneven = ParallelSource::Aligned {
            source: write("a", "one\ntwo\n"),
            target: write("b", "um\n"),
        };
        let error = pairs(&uneven, from, to, &mut Vec::new()).expect_err("2 lines and 1");
        assert!(error.to_string().contains('2'), "{error}");
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
