//! Drawing passages from texts.

use corpus::file_path::FilePath;
use corpus::source::plain_text::TextSource;
use corpus::source::{LoadedPassages, PassageOptions, SourceError, passages};
use serde_json::json;

use crate::{Folder, lines};

fn options() -> PassageOptions {
    PassageOptions {
        limit: 100,
        min_characters: 20,
        max_characters: 60,
        seed: 1,
        max_rejected_fraction: 0.5,
    }
}

impl Folder {
    fn passages(
        &self,
        name: &str,
        content: &str,
        options: &PassageOptions,
    ) -> Result<LoadedPassages, SourceError> {
        let path = self.file(name, content);
        passages(&TextSource::Files(FilePath::from(path)), options)
    }
}

const RIVER: &str = "O rio corre devagar para o mar.";
const HILLS: &str = "A serra é alta e fria no inverno.";

#[test]
fn a_line_is_a_passage_if_it_is_of_the_right_length() {
    let long = "palavra ".repeat(10);
    let text = format!("{RIVER}\n\nCurto.\n  {HILLS}\t\n{long}\n{RIVER}\n");
    let loaded = Folder::new()
        .passages("text.txt", &text, &options())
        .unwrap();
    assert_eq!(loaded.passages, [RIVER, HILLS]);
    let counts = loaded.counts;
    assert_eq!((counts.documents, counts.passages), (5, 5));
    assert_eq!(
        (
            counts.too_short,
            counts.too_long,
            counts.duplicates,
            counts.drawn
        ),
        (1, 1, 1, 2)
    );
}

#[test]
fn a_document_is_a_passage_and_a_long_one_is_read_line_by_line() {
    let short = "Era uma vez um rio.\n\nEle corria.";
    let long = format!("Título\n{RIVER}\n\n{HILLS}");
    let text = lines(&[
        json!({ "text": short, "url": "a" }),
        json!({ "text": long, "url": "b" }),
    ]);
    let text = format!("{text}{{\n");
    let loaded = Folder::new()
        .passages("text.jsonl", &text, &options())
        .unwrap();
    assert_eq!(loaded.passages, [short, RIVER, HILLS]);
    let counts = loaded.counts;
    assert_eq!((counts.documents, counts.unreadable), (2, 1));
    assert_eq!((counts.passages, counts.too_short), (4, 1));
}

#[test]
fn passages_are_drawn_by_their_text_and_the_seed_alone() {
    let passage = |n: &usize| format!("Este é o parágrafo número {n}.\n");
    let forwards: String = (0..200).map(|n| passage(&n)).collect();
    let backwards: String = (0..200).rev().map(|n| passage(&n)).collect();
    let draw = |text: &str, limit, seed| {
        let options = PassageOptions {
            limit,
            seed,
            ..options()
        };
        let folder = Folder::new();
        let loaded = folder.passages("text.txt", text, &options).unwrap();
        assert_eq!(loaded.counts.drawn, limit as u64);
        loaded.passages
    };
    let drawn = draw(&forwards, 30, 1);
    let mut other = draw(&backwards, 30, 1);
    other.reverse();
    assert_eq!(drawn, other, "in the order of the file");
    assert_ne!(drawn, draw(&forwards, 30, 2));
    let fewer = draw(&forwards, 10, 1);
    assert!(fewer.iter().all(|passage| drawn.contains(passage)));
    assert!(drawn.iter().any(|passage| passage.contains("1")));
}

#[test]
fn faulty_passages_are_set_aside_with_their_reason() {
    let garbled = "A serra Ã© alta e fria no inverno, nÃ£o?";
    let text = format!("{RIVER}\n{garbled}\n{HILLS}\n1234567890 1234567890 12\n");
    let loaded = Folder::new()
        .passages("text.txt", &text, &options())
        .unwrap();
    assert_eq!(loaded.passages, [RIVER, HILLS]);
    let rejected: Vec<_> = (loaded.rejected.iter())
        .map(|row| (row.id.as_str(), row.field.as_str(), row.reason.as_str()))
        .collect();
    assert_eq!(
        rejected,
        [
            ("text.txt:2", "passage", "wrong_encoding"),
            ("text.txt:4", "passage", "no_letters")
        ]
    );
}

#[test]
fn text_without_a_passage_says_what_to_change() {
    let error = |text: &str| {
        let folder = Folder::new();
        let read = folder.passages("text.txt", text, &options());
        read.unwrap_err().to_string()
    };
    let short = error("Curto.\nMais curto.\n");
    assert!(
        short.contains("none of its passages has 20 to 60 characters (2 are shorter, 0 longer)")
            && short.contains("reverse_instructions.min_characters"),
        "{short}"
    );
    let empty = error("\n\n");
    assert!(empty.contains("text.txt"), "{empty}");
}
