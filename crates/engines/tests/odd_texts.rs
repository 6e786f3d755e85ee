//! Texts that nobody wrote: lines of megabytes, control characters, letters without end. The
//! segmenter, the words, the filter's rules and every language identifier bring them to an end.

use corpus::filter::{FilterConfig, FilterStage};
use corpus::language::Language;
use corpus::record::{TextPair, Translated};
use corpus::seam::{Identification, LanguageIdentifier};
use corpus::stage::RowStage;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::{Segment, Segmenter};
use corpus::text::words::WordFinder;
use engines::cld3::Cld3Identifier;
use engines::fasttext::FastTextIdentifier;
use engines::whatlang::WhatlangIdentifier;
use fixtures::reference;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn identifiers() -> Vec<Box<dyn LanguageIdentifier>> {
    vec![
        Box::new(WhatlangIdentifier),
        Box::new(Cld3Identifier::load(&reference("cld3/tiny_params.cc")).expect("the fixture")),
        Box::new(
            FastTextIdentifier::load(&reference("fasttext/softmax.ftz")).expect("the fixture"),
        ),
    ]
}

/// The language that an identifier finds, with a probability that is one.
fn identified(identifier: &dyn LanguageIdentifier, text: &str) -> Option<Language> {
    match identifier.identify(text) {
        Identification::Abstained => None,
        Identification::Identified {
            language,
            probability,
        } => {
            assert!((0.0..=1.0).contains(&probability), "{probability}");
            assert!(identifier.knows(language), "{language}");
            Some(language)
        }
    }
}

/// Rejections of a row whose question is translated by `translation`.
fn rejections(question: &str, translation: &str) -> Vec<String> {
    let stage = FilterStage::new(&WhatlangIdentifier, None, ENGLISH, FilterConfig::default());
    let text = |source: &str, translation: &str| TextPair {
        source: source.into(),
        translation: Some(translation.into()),
    };
    let row = Translated {
        id: "1".into(),
        target: PORTUGUESE,
        question: text(question, translation),
        answer: text("Yes, of course.", "Sim, com certeza."),
        generated: None,
    };
    let outcomes = stage.process(&[row]).unwrap_or_else(|e| panic!("{e}"));
    let rejections = outcomes.iter().flat_map(|outcome| &outcome.rejections);
    rejections
        .map(|rejection| rejection.reason.to_owned())
        .collect()
}

fn comes_back(text: &str) {
    let segmenter = Segmenter::new(ENGLISH, DEFAULT_PIECES);
    let joined: String = segmenter
        .segment(text)
        .iter()
        .map(|segment| match segment {
            Segment::Keep(kept) => *kept,
            Segment::Translate(sentence) => sentence.text,
        })
        .collect();
    assert!(
        joined == text,
        "{} bytes came back as {}",
        text.len(),
        joined.len()
    );
}

/// Megabytes without a line break, of several kinds.
fn long_lines() -> [(&'static str, String); 5] {
    // A tenth of it where nothing is optimised.
    let length = if cfg!(debug_assertions) {
        1 << 20
    } else {
        10 << 20
    };
    let repeated = |text: &str| text.repeat(length / text.len());
    [
        (
            "prose",
            repeated("The cat sat on the mat. It slept, and then it left the house. "),
        ),
        ("one word", repeated("a")),
        ("no spaces", repeated("漢字仮名")),
        ("marks", repeated("**a** `b` <i>c</i> http://d.e $f$ ")),
        ("brackets", repeated("[({<")),
    ]
}

#[test]
fn endless_lines_are_cut_and_come_back() {
    for (kind, text) in long_lines() {
        println!("{kind}");
        comes_back(&text);
    }
}

#[test]
fn endless_lines_are_identified_or_abstained_on() {
    for (kind, text) in long_lines() {
        for identifier in identifiers() {
            let engine = identifier.identity().engine;
            let found = identified(identifier.as_ref(), &text);
            // The other two have random weights.
            if engine == "whatlang" {
                let expected = match kind {
                    "prose" => Some(ENGLISH),
                    "no spaces" => Some(Language::with_code("zho_Hans")),
                    _ => None,
                };
                assert_eq!(found, expected, "{kind}");
            }
            if kind == "brackets" {
                assert_eq!(found, None, "{kind}: {engine}");
            }
        }
    }
}

#[test]
fn endless_lines_pass_the_filter_or_are_rejected() {
    for (kind, text) in long_lines() {
        let copied = rejections(&text, &text);
        let cut = rejections("The cat sat on the mat.", &text);
        // What is protected as a whole, an endless word, is nothing that could be translated.
        let has_words = !matches!(kind, "one word" | "brackets");
        assert_eq!(copied.is_empty(), !has_words, "{kind}: a copied source");
        assert!(!cut.is_empty(), "{kind}: an endless translation");
    }
}

#[test]
fn control_characters_and_endless_letters_come_back() {
    for text in [
        "\u{0}\u{1}\u{7f}\u{80}\u{9f}\u{ad}\u{200b}\u{202e}\u{2028}\u{feff}\u{fffd}\u{fffe}\u{ffff}",
        "a\u{0}b \u{1b}[31mred\u{1b}[0m. And\u{2029}then\u{85}more.",
        &"e\u{301}".repeat(5000),
        &"\u{301}".repeat(5000),
        &"👩‍👩‍👧".repeat(2000),
        &"\u{d7ff}\u{e000}\u{10ffff}".repeat(1000),
        &"ﷺ".repeat(3000),
    ] {
        comes_back(text);
        for identifier in identifiers() {
            identified(identifier.as_ref(), text);
        }
        for language in [ENGLISH, Language::with_code("tha_Thai")] {
            for word in WordFinder::new(language).words(text) {
                assert!(text.get(word).is_some());
            }
        }
        rejections(text, text);
    }
}
