//! The whatlang engine: right on sentences, silent on what is too short to tell.

use corpus::language::Language;
use corpus::seam::{Identification, LanguageIdentifier};
use engines::whatlang::WhatlangIdentifier;

#[test]
fn short_and_wordless_text_is_abstained_on() {
    for text in [
        "",
        "  ",
        "1969",
        "42 + 1 = 43",
        "Paris",
        "Albert Einstein",
        "OK",
        "http://a.b/c",
        "😀",
        "\0",
    ] {
        assert_eq!(
            WhatlangIdentifier.identify(text),
            Identification::Abstained,
            "{text:?}"
        );
    }
}

#[test]
fn languages_it_cannot_name_are_known() {
    assert!(WhatlangIdentifier.knows(Language::PORTUGUESE));
    assert!(!WhatlangIdentifier.knows(Language::with_code("glg_Latn")));
    assert!(!WhatlangIdentifier.knows(Language::with_code("zho_Hant")));
}

mod with_data {
    use super::*;
    use std::fs;

    /// Sentences of FLORES devtest: rarely wrong, and it answers most of them.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn flores_sentences_are_identified() {
        let mut languages = 0;
        for file in fs::read_dir(fixtures::data("flores/devtest")).expect("FLORES") {
            let file = file.expect("an entry");
            let name = file.file_name().to_string_lossy().into_owned();
            let expected = Language::parse(name.trim_end_matches(".txt")).expect("a FLORES code");
            let text = fs::read_to_string(file.path()).expect("a text");
            let (mut right, mut wrong, mut total) = (0, 0, 0);
            for line in text.lines() {
                total += 1;
                match WhatlangIdentifier.identify(line) {
                    Identification::Identified { language, .. } if language == expected => {
                        right += 1
                    }
                    Identification::Identified { .. } => wrong += 1,
                    Identification::Abstained => {}
                }
            }
            println!("{expected}: {right} right, {wrong} wrong of {total}");
            assert!(
                wrong * 100 <= total * 2,
                "{expected}: {wrong} of {total} wrong"
            );
            assert!(
                right * 100 >= total * 75,
                "{expected}: {right} of {total} right"
            );
            languages += 1;
        }
        assert!(languages > 5, "{languages} languages");
    }
}
