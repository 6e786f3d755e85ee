//! Dictionaries: TSV, CSV, MUSE and dictd.

use std::fs;

use corpus::dictionary::Dictionary;

use crate::runner::{Files, Reader, any, written};
use crate::{bytes, text};

/// A dictd index of these entries, with its definitions.
fn dictd(entries: &[(&str, &str)]) -> Files {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = |number: usize| -> String {
        let digits = [number >> 12 & 63, number >> 6 & 63, number & 63];
        digits
            .iter()
            .map(|&digit| char::from(DIGITS[digit]))
            .collect()
    };
    let (mut index, mut definitions) = (String::new(), String::new());
    for (word, definition) in entries {
        index += &format!(
            "{word}\t{}\t{}\n",
            number(definitions.len()),
            number(definition.len())
        );
        definitions += definition;
    }
    written(&[("en-pt.index", &index), ("en-pt.dict", &definitions)])
}

#[test]
fn dictionary() {
    let seeds = vec![
        dictd(&[
            ("00databaseshort", "English-Portuguese\n"),
            ("cat", "cat /kæt/ <n>\ngato, gata\n"),
            ("house", "house\n 1. casa (f)\n 2. moradia; lar\n"),
        ]),
        written(&[(
            "a.tsv",
            "lemon\tlimão, lima; cidra\nriver (n)\trio (m)\ncolour, color\tcor f.\n",
        )]),
        written(&[(
            "a.csv",
            "\u{feff}word,translation\r\n\"lemon\",\"limão, lima\"\r\n\"a \"\"b\"\"\",c\r\n",
        )]),
        written(&[(
            "a.txt",
            "# comment\ncat gato\ncat\tgata\r\n\nHouse\tcasa\tignored\nhotel hotel\n",
        )]),
    ];
    Reader {
        name: "dictionary",
        seeds,
        inputs: 600,
        memory: 64 << 20,
        change: &|chance, files, other| {
            let lent = other.values().next().expect("a file").clone();
            let (_, content) = any(chance, files);
            match chance.once_in(2) {
                true => text::change(
                    chance,
                    content,
                    &[
                        "\t",
                        ",",
                        ";",
                        "(",
                        ")",
                        "/",
                        "<n>",
                        "AAAA",
                        "////",
                        "zzzzzzzzzzzz",
                    ],
                ),
                false => bytes::damage(chance, content, &lent),
            }
        },
        read: &|folder| {
            let entries = fs::read_dir(folder).expect("a folder");
            let read = entries.filter(|entry| {
                let path = entry.as_ref().expect("an entry").path();
                let Ok(loaded) = Dictionary::load(&path) else {
                    return false;
                };
                loaded.dictionary.inverted().translations("gato");
                loaded.dictionary.translations("cat");
                true
            });
            read.count() > 0
        },
    }
    .fuzz();
}
