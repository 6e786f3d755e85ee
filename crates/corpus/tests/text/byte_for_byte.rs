//! Any text comes back byte for byte from a translator that changes nothing.

use std::fs;

use corpus::language::Language;
use corpus::text::segment::{Segment, Segmenter};
use corpus::text::words::WordFinder;
use proptest::prelude::*;

use crate::{ENGLISH, segmenter, through_identity};

fn pieces_of_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            " ",
            "\n",
            "\r\n",
            "\t",
            ". ",
            "? ",
            "**",
            "_",
            "`",
            "```",
            "$",
            "$$",
            "<u>",
            "</u>",
            "<",
            "{",
            "}",
            "{x}",
            "%s",
            "[a](b)",
            "](",
            "https://x.y/z)",
            "a@b.co",
            "____",
            "\\[",
            "\\(",
            "- ",
            "1. ",
            "# ",
            "| ",
            "def f(x):",
            "x = 1;",
            "    ",
            "XK1",
            "XK",
            "QZ",
            "Hello. World",
            "。",
            "🎉",
            "π²",
            "x^2",
            "\u{0}",
            "\u{85}",
            "'",
            "Mr.",
            "#tag",
            "@me",
            "f(x)",
            "a_b",
            "1.2.3",
            "(555) 555-5555",
            "&amp;",
            "\\begin{a}",
            "\\end{a}",
            "<!--",
            "-->",
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

mod with_data {
    use super::*;

    /// Every field of every row of Alpaca comes back byte for byte.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn alpaca_comes_back_byte_for_byte() {
        let file = fs::read(fixtures::data("alpaca/alpaca_data.json")).expect("Alpaca");
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&file).expect("JSON");
        assert_eq!(rows.len(), 52_002);
        let segmenter = segmenter();
        let mut sentences = 0;
        for row in &rows {
            for field in ["instruction", "input", "output"] {
                let text = row[field].as_str().expect("a string");
                assert_eq!(through_identity(&segmenter, text, ENGLISH), text);
                sentences += segmenter
                    .segment(text)
                    .iter()
                    .filter(|s| matches!(s, Segment::Translate(_)))
                    .count();
            }
        }
        assert!(sentences > 200_000, "{sentences}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_comes_back_byte_for_byte(text in pieces_of_text(), pieces in 1usize..60) {
        for language in [ENGLISH, Language::with_code("jpn_Jpan"), Language::with_code("ell_Grek")] {
            let segmenter = Segmenter::new(language, pieces);
            prop_assert_eq!(&through_identity(&segmenter, &text, language), &text);
            for segment in segmenter.segment(&text) {
                if let Segment::Translate(sentence) = segment {
                    let around: String = sentence.around_protected().iter().map(|s| match s {
                        Segment::Keep(kept) => *kept,
                        Segment::Translate(part) => part.text,
                    }).collect();
                    prop_assert_eq!(around, sentence.text);
                }
            }
            for word in WordFinder::new(language).words(&text) {
                prop_assert!(text.get(word).is_some());
            }
        }
    }
}
