//! Reads questions, pairs, passages and examples line by line; bad lines are set aside.

use std::collections::HashSet;
use std::path::Path;

use corpus::language::Language;
use corpus::plain_words::json_fault;
use corpus::record::Example;
use corpus::source::{LoadedPairs, ParallelSource};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::rows::{self, MaterialError, Question, SkippedLine, TOLERATED};

pub(super) fn questions(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Question>, MaterialError> {
    let mut seen = HashSet::new();
    rows::read_json(path, skipped, |line| {
        let question = question(line, seen.len())?;
        if !seen.insert(question.id.clone()) {
            return Err(format!("the id {:?} appears twice", question.id));
        }
        Ok(question)
    })
}

/// Fields of a question, in the formats that are read: our own and that of MultilingualSIFT; Dolly's
/// and Bactrian-X's, in which an input may follow the instruction.
const QUESTION: [&str; 3] = ["question", "text", "instruction"];
const INPUT: [&str; 2] = ["input", "context"];
const ANSWER: [&str; 3] = ["answer", "output", "response"];
const ID: [&str; 2] = ["id", "question_id"];

/// The question in a line, after `before` others.
fn question(line: &str, before: usize) -> Result<Question, String> {
    let row: Map<String, Value> = json(line)?;
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| Some((*name, row.get(*name)?)));
        match found {
            None | Some((_, Value::Null)) => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text.clone())),
            Some((name, other)) => Err(format!("`{name}` must be a text, not {other}")),
        }
    };
    let Some(mut question) = text(&QUESTION)? else {
        let found: Vec<&str> = row.keys().map(String::as_str).collect();
        return Err(format!(
            "no question: expected `{}`; found {}",
            QUESTION.join("`, `"),
            found.join(", ")
        ));
    };
    if question.trim().is_empty() {
        return Err("the question is empty".to_owned());
    }
    if let Some(input) = text(&INPUT)?.filter(|input| !input.trim().is_empty()) {
        question = format!("{question}\n{input}");
    }
    let id = ID.iter().find_map(|name| row.get(*name));
    Ok(Question {
        id: match id {
            Some(Value::String(id)) => id.clone(),
            Some(id) => id.to_string(),
            None => (before + 1).to_string(),
        },
        question,
        answer: text(&ANSWER)?.unwrap_or_default(),
    })
}

/// The sentence pairs of `files`, in every format that the training corpora may have.
pub(super) fn pairs(
    files: &ParallelSource,
    source: Language,
    target: Language,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<(String, String)>, MaterialError> {
    let mut all = Vec::new();
    for part in files.parts() {
        let LoadedPairs { pairs, rejected } =
            corpus::source::parallel(part, source, target, TOLERATED)?;
        let path = part.files().next().unwrap_or(Path::new(""));
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
        all.extend(pairs);
    }
    Ok(all)
}

pub(super) fn texts(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<String>, MaterialError> {
    corpus::source::check_lines(path)?;
    rows::read(path, skipped, |line| Ok(line.trim().to_owned()))
}

pub(super) fn examples(
    path: &Path,
    skipped: &mut Vec<SkippedLine>,
) -> Result<Vec<Example>, MaterialError> {
    rows::read_json(path, skipped, json)
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
    fn questions_may_be_in_published_formats() {
        let read = |line: &str| {
            let (_folder, path) = file(line.as_bytes());
            let mut read = questions(&path, &mut Vec::new());
            read.as_mut()
                .map(|rows| rows.remove(0))
                .map_err(|error| error.to_string())
        };
        let question = |id: &str, question: &str, answer: &str| {
            let [id, question, answer] = [id, question, answer].map(str::to_owned);
            Question {
                id,
                question,
                answer,
            }
        };
        let ours = r#"{"id": "a", "question": "Quem?", "answer": "Ana."}"#;
        assert_eq!(read(ours), Ok(question("a", "Quem?", "Ana.")));
        let sift = r#"{"question_id": 7, "text": "Quem?", "category": "generic"}"#;
        assert_eq!(read(sift), Ok(question("7", "Quem?", "")));
        let dolly = r#"{"instruction": "Resuma.", "context": "Um texto.", "response": "Texto."}"#;
        assert_eq!(
            read(dolly),
            Ok(question("1", "Resuma.\nUm texto.", "Texto."))
        );
        let array = format!("[\n{ours},\n {{\"question\":\n\"Onde?\"}}]");
        let (_folder, path) = file(array.as_bytes());
        let rows = questions(&path, &mut Vec::new()).expect("an array of questions");
        let expected = [question("a", "Quem?", "Ana."), question("2", "Onde?", "")];
        assert_eq!(rows, expected);
        let error = read("[1]").expect_err("no object");
        assert!(
            error.contains("found the number `1`, expected an object"),
            "{error}"
        );
        let error = read(r#"{"prompt": "Quem?"}"#).expect_err("another field");
        assert!(
            error.contains("expected `question`, `text`, `instruction`; found prompt"),
            "{error}"
        );
        let error = read(r#"{"question": "Quem?", "answer": 3}"#).expect_err("a number");
        assert!(error.contains("`answer` must be a text, not 3"), "{error}");
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
