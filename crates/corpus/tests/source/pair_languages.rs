//! Sentence pairs whose texts are in other languages than expected.

use corpus::language::Language;
use corpus::language_check::LanguageCheck;
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use corpus::source::{ParallelSource, parallel};

use crate::Folder;

/// Portuguese if "que" or "uma" is in it, English if "the" is.
struct Words;

impl LanguageIdentifier for Words {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "words".into(),
            model: "words".into(),
            revision: "1".into(),
            parameters: String::new(),
            licence: None,
        }
    }

    fn identify(&self, text: &str) -> Identification {
        let has = |wanted: &[&str]| text.split_whitespace().any(|word| wanted.contains(&word));
        let language = match (has(&["que", "uma"]), has(&["the"])) {
            (true, false) => Language::PORTUGUESE,
            (false, true) => Language::ENGLISH,
            _ => return Identification::Abstained,
        };
        Identification::Identified {
            language,
            probability: 0.95,
        }
    }
}

#[test]
fn texts_in_another_language_are_found() {
    let folder = Folder::new();
    let check = LanguageCheck {
        identifier: &Words,
        min_probability: 0.9,
    };
    let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
    let checked = |name: &str, lines: &str| {
        let source = ParallelSource::File(folder.file(name, lines).into());
        let loaded = parallel(&source, from, to, 0.1).unwrap();
        check
            .pairs(&source, loaded, (from, to), 0.1)
            .map_err(|error| error.to_string())
    };
    let good = "see the sea\tver que mar\n".repeat(19);
    // One pair was left untranslated: the side as a whole abstains, the pair is set aside.
    let loaded = checked("a.tsv", &(good.clone() + "the same\tthe same\n")).unwrap();
    assert_eq!((loaded.pairs.len(), loaded.rejected.len()), (19, 1));
    assert_eq!(loaded.rejected[0].reason, "wrong_language");
    assert!(
        loaded.rejected[0]
            .detail
            .contains("eng_Latn with probability 0.95, not por_Latn")
    );

    let swapped = checked("b.tsv", &"ver que mar\tsee the sea\n".repeat(20)).unwrap_err();
    assert!(
        swapped.contains("eng_Latn and por_Latn are swapped"),
        "{swapped}"
    );
    assert!(swapped.contains("columns = [2, 1]"), "{swapped}");
    let other = checked("c.tsv", &"see the sea\tand the sky\n".repeat(20)).unwrap_err();
    assert!(
        other.ends_with("the target side is in eng_Latn, not in por_Latn"),
        "{other}"
    );

    let path = folder.file(
        "text.txt",
        "ver que mar\n".repeat(30) + "see the sea\nplain\n",
    );
    let lines = corpus::source::lines(&path, 0.1).unwrap();
    let lines = check.lines(&path, lines, to, 0.1).unwrap();
    assert_eq!((lines.lines.len(), lines.rejected.len()), (31, 1));
    let english = folder.file("english.txt", "see the sea\n".repeat(20));
    let lines = corpus::source::lines(&english, 0.1).unwrap();
    let error = check
        .lines(&english, lines, to, 0.1)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("the text is in eng_Latn, not in por_Latn"),
        "{error}"
    );
}
