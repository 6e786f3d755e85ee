//! Where sentences and words begin and end, and how translations are joined.

use corpus::language::Language;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::{Segment, Segmenter, join};
use corpus::text::sentences::SentenceSplitter;
use corpus::text::words::WordFinder;

use crate::{ENGLISH, masked, through_identity};

#[test]
fn sentences_end_where_readers_see_an_end() {
    for (line, expected) in [
        (
            "Hello. How are you? Fine!",
            &["Hello.", "How are you?", "Fine!"][..],
        ),
        (
            "Dr. Smith met Mr. Jones at 5 p.m. on Monday.",
            &["Dr. Smith met Mr. Jones at 5 p.m. on Monday."],
        ),
        (
            "J. K. Rowling and John F. Kennedy lived in the U.S. and the U.K.",
            &["J. K. Rowling and John F. Kennedy lived in the U.S. and the U.K."],
        ),
        (
            "\"Who is it?\" she asked. \"Me!\" he said.",
            &["\"Who is it?\" she asked.", "\"Me!\" he said."],
        ),
        (
            "Pi is 3.14. It is irrational.",
            &["Pi is 3.14.", "It is irrational."],
        ),
        ("Use e.g. Python or Rust.", &["Use e.g. Python or Rust."]),
        (
            "Wait... What?  Two spaces.",
            &["Wait...", "What?", "Two spaces."],
        ),
    ] {
        let splitter = SentenceSplitter::new(ENGLISH);
        let found: Vec<&str> = splitter
            .split(line, &[])
            .into_iter()
            .map(|r| &line[r])
            .collect();
        assert_eq!(found, expected);
    }
    let japanese = SentenceSplitter::new(Language::with_code("jpn_Jpan"));
    let line = "こんにちは。元気ですか？はい。";
    let found: Vec<&str> = japanese
        .split(line, &[])
        .into_iter()
        .map(|r| &line[r])
        .collect();
    assert_eq!(found, ["こんにちは。", "元気ですか？", "はい。"]);
}

#[test]
fn sentences_never_cross_a_line_break() {
    assert_eq!(
        masked("one sentence\nthat goes on"),
        ["one sentence", "that goes on"]
    );
    assert_eq!(
        masked("a line\r\nanother\u{2028}third"),
        ["a line", "another", "third"]
    );
}

#[test]
fn over_long_sentences_are_cut_at_clauses() {
    let clause = "the quick brown fox jumps over the lazy dog";
    let text = format!("{clause}, {clause}; {clause}, {clause}, {clause}.");
    // A piece is four letters or a punctuation mark.
    let quarters = |part: &str| -> usize {
        let letters = part.chars().filter(|c| !c.is_whitespace());
        letters.map(|c| if c.is_alphabetic() { 1 } else { 4 }).sum()
    };
    let segmenter = Segmenter::new(ENGLISH, 30);
    let parts: Vec<String> = segmenter
        .segment(&text)
        .iter()
        .filter_map(|s| match s {
            Segment::Translate(sentence) => Some(sentence.text.to_owned()),
            Segment::Keep(_) => None,
        })
        .collect();
    assert_eq!(parts[0], format!("{clause}, {clause};"));
    assert!(
        parts.iter().all(|part| quarters(part) <= 4 * 30),
        "{parts:?}"
    );
    assert_eq!(through_identity(&segmenter, &text, ENGLISH), text);
}

#[test]
fn sentences_that_touch_get_a_space_where_the_target_writes_spaces() {
    let japanese = Language::with_code("jpn_Jpan");
    let segmenter = Segmenter::new(japanese, DEFAULT_PIECES);
    let segments = segmenter.segment("はい。いいえ。\n終わり。");
    let translations = ["Yes.", "No.", "End."];
    assert_eq!(
        join(&segments, translations, japanese, ENGLISH),
        "Yes. No.\nEnd."
    );
    assert_eq!(
        join(&segments, translations, japanese, japanese),
        "Yes.No.\nEnd."
    );
}

#[test]
fn words_are_found_in_scripts_without_spaces() {
    for (code, text, expected) in [
        (
            "eng_Latn",
            "Don't stop, e.g. 42 cats!",
            &["Don't", "stop", "e.g", "cats"][..],
        ),
        (
            "jpn_Jpan",
            "私は猫が好きです。",
            &["私", "は", "猫", "が", "好き", "です"],
        ),
        (
            "zho_Hans",
            "我喜欢学习语言",
            &["我", "喜欢", "学习", "语言"],
        ),
        ("tha_Thai", "ฉันชอบกินข้าว", &["ฉัน", "ชอบ", "กิน", "ข้าว"]),
        ("hin_Deva", "मुझे हिन्दी पसंद है।", &["मुझे", "हिन्दी", "पसंद", "है"]),
    ] {
        let finder = WordFinder::new(Language::with_code(code));
        let words: Vec<&str> = finder.words(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(words, expected, "{code}");
    }
    let khmer = WordFinder::new(Language::with_code("khm_Khmr"));
    assert!(khmer.words("ខ្ញុំចូលចិត្តរៀនភាសា").len() >= 3);
}
