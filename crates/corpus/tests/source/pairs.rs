//! Sentence pairs: every file format, and broken pairs.

use corpus::language::Language;
use corpus::source::{ParallelSource, SourceError, parallel};
use serde_json::json;

use crate::Folder;

fn pairs(source: &ParallelSource) -> Result<Vec<(String, String)>, SourceError> {
    parallel(source, Language::ENGLISH, Language::PORTUGUESE, 0.1).map(|loaded| loaded.pairs)
}

#[test]
fn sentence_pairs_are_read_from_every_form() {
    let folder = Folder::new();
    let expected = vec![
        ("Hi.".to_owned(), "Oi.".to_owned()),
        ("Bye.".to_owned(), "Tchau.".to_owned()),
    ];
    let file = |name, content: &str| ParallelSource::File(folder.file(name, content).into());
    for source in [
        file("plain.tsv", "Hi.\tOi.\r\nBye.\tTchau.\tCC-BY\n"),
        file("header.tsv", "id\tpt\ten\n1\tOi.\tHi.\n2\tTchau.\tBye.\n"),
        file(
            "codes.jsonl",
            "{\"eng_Latn\": \"Hi.\", \"por\": \"Oi.\"}\n{\"en\": \"Bye.\", \"pt\": \"Tchau.\"}",
        ),
        file(
            "hub.jsonl",
            "{\"translation\": {\"en\": \"Hi.\", \"pt\": \"Oi.\"}}\n\
                           {\"translation\": {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}}",
        ),
        file(
            "array.json",
            "[{\"en\": \"Hi.\", \"pt\": \"Oi.\"}, {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}]",
        ),
        ParallelSource::Aligned {
            source: folder.file("text.en", "Hi.\nBye.\n").into(),
            target: folder.file("text.pt", "Oi.\nTchau.").into(),
        },
    ] {
        assert_eq!(pairs(&source).unwrap(), expected, "{source:?}");
    }
}

#[test]
fn broken_pairs_are_kept_aside() {
    let folder = Folder::new();
    let path = folder.file("x.tsv", b"Hi.\tOi.\nalone\n\t\xFF\n \t \nyes\t\n\n");
    let loaded = parallel(
        &ParallelSource::File(path.into()),
        Language::ENGLISH,
        Language::PORTUGUESE,
        0.9,
    )
    .unwrap();
    let rejected: Vec<_> = loaded
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(loaded.pairs.len(), 1);
    let expected = [
        ("x.tsv:2", "missing_column"),
        ("x.tsv:3", "not_utf8"),
        ("x.tsv:5", "empty_side"),
    ];
    assert_eq!(rejected, expected);

    let uneven = ParallelSource::Aligned {
        source: folder.file("text.en", "one\ntwo\n").into(),
        target: folder.file("text.pt", "um\n").into(),
    };
    let error = pairs(&uneven).unwrap_err().to_string();
    assert!(
        error.contains("has 2 lines") && error.contains("has 1: "),
        "{error}"
    );
    let none = ParallelSource::File(folder.file("none.tsv", "just text\n").into());
    assert!(
        pairs(&none)
            .unwrap_err()
            .to_string()
            .contains("none.tsv:1: no tab; columns 1 and 2 are needed")
    );
}

#[test]
fn the_config_names_a_file_or_two() {
    let one: ParallelSource = serde_json::from_value(json!("pairs.tsv")).unwrap();
    assert_eq!(one, ParallelSource::File("pairs.tsv".into()));
    let two: ParallelSource =
        serde_json::from_value(json!({ "source": "a.en", "target": "a.pt" })).unwrap();
    let expected = ParallelSource::Aligned {
        source: "a.en".into(),
        target: "a.pt".into(),
    };
    assert_eq!(two, expected);
}
