//! Text comes apart and goes together: byte for byte with a translator that changes nothing, and
//! with everything protected that must not change.

use std::fs;
use std::path::Path;

use corpus::language::Language;
use corpus::text::budget::{self, DEFAULT_PIECES};
use corpus::text::segment::{Segment, Segmenter, Sentence, join};
use corpus::text::sentences::SentenceSplitter;
use corpus::text::words::WordFinder;
use proptest::prelude::*;

const ENGLISH: Language = Language::ENGLISH;

fn segmenter() -> Segmenter {
    Segmenter::new(ENGLISH, DEFAULT_PIECES)
}

/// The sentences of `text` as a translator would see them.
fn masked(text: &str) -> Vec<String> {
    segmenter()
        .segment(text)
        .iter()
        .filter_map(|segment| match segment {
            Segment::Translate(sentence) => Some(sentence.masked().into_owned()),
            Segment::Keep(_) => None,
        })
        .collect()
}

/// `text` after a translator that returns every sentence as it came.
fn through_identity(segmenter: &Segmenter, text: &str, language: Language) -> String {
    let segments = segmenter.segment(text);
    let sentences: Vec<String> = segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Translate(sentence) => {
                let back = sentence.restored(&sentence.masked());
                Some(back.unwrap_or_else(|| panic!("lost a placeholder of {sentence:?}")))
            }
            Segment::Keep(_) => None,
        })
        .collect();
    join(
        &segments,
        sentences.iter().map(String::as_str),
        language,
        language,
    )
}

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
fn list_and_heading_marks_stay_outside() {
    let text =
        "# Title\n> - [x] done task\n  1. First step\n2) Second\n(a) Third\n* Star\nB. Option";
    assert_eq!(
        masked(text),
        [
            "Title",
            "done task",
            "First step",
            "Second",
            "Third",
            "Star",
            "Option"
        ]
    );
}

#[test]
fn table_cells_are_translated_one_by_one() {
    let text = "| Country | Population |\n|---------|-----------:|\n| Germany | 83 million |";
    assert_eq!(
        masked(text),
        ["Country", "Population", "Germany", "83 million"]
    );
    assert_eq!(
        masked("Item      Price\tColour"),
        ["Item", "Price", "Colour"]
    );
}

#[test]
fn what_stands_for_a_word_travels_as_a_placeholder() {
    for (text, expected) in [
        (
            "See https://example.com/a?b=1, then reply.",
            "See XK1, then reply.",
        ),
        ("See (www.example.com/x).", "See (XK1)."),
        ("Mail jane.doe@example.co.uk today.", "Mail XK1 today."),
        ("Call `foo(x)` and then `bar`.", "Call XK1 and then XK2."),
        ("Solve $x^2 = 4$ for x.", "Solve XK1 for x."),
        (
            "Dear {name}, you owe %s for ${item}.",
            "Dear XK1, you owe XK2 for XK3.",
        ),
        ("The sea is ____ today.", "The sea is XK1 today."),
        ("Thanks @jane_doe for #MondayMood!", "Thanks XK1 for XK2!"),
        ("Great job 🎉 everyone 👍🏽!", "Great job XK1 everyone XK2!"),
        ("The area is πr² in total.", "The area is XK1 in total."),
        (
            "What is x^2 + 3x when x = 5?",
            "What is XK1 + 3x when x = 5?",
        ),
        (
            "The snake_case name calls os.path.join(a, b) once.",
            "The XK1 name calls XK2 once.",
        ),
        (
            "Ping 192.168.1.1 or phone (555) 555-5555 now.",
            "Ping XK1 or phone XK2 now.",
        ),
        (
            "Open /usr/local/bin and C:\\Temp\\x.txt here.",
            "Open XK1 and XK2 here.",
        ),
        ("Fill in the [MASK] word.", "Fill in the XK1 word."),
        (
            "Her password e9gKyd2D opens part 4B7 of the H2O plant.",
            "Her password XK1 opens part XK2 of the XK3 plant.",
        ),
        ("XK1 beats https://a.com here.", "XK1 beats QZ1 here."),
    ] {
        assert_eq!(masked(text), [expected]);
    }
}

#[test]
fn what_only_looks_like_code_is_translated() {
    for text in [
        "It costs $5 to $10 and the item(s) weigh 1.000.000 grams.",
        "He/she and/or they like 50% discounts (really).",
        "Paris(France) is #1 at 5 * 3 = 15.",
        "This is 4-5 times more; isn't it?",
        "For example, if you want: go.",
        "“Curly quotes” – and dashes — stay…",
        "The 4th and 21st of COVID19 in 3D at 5pm cost 40k.",
    ] {
        assert_eq!(masked(text), [text]);
    }
}

#[test]
fn marks_around_words_are_kept_and_the_words_translated() {
    assert_eq!(masked("The **big** dog"), ["The", "big", "dog"]);
    assert_eq!(
        masked("A <u>nice</u> day.<br/>Bye"),
        ["A", "nice", "day", "Bye"]
            .map(|s| s.to_owned())
            .map(|s| if s == "day" { "day.".into() } else { s })
    );
    assert_eq!(
        masked("Read [the manual](https://a.com/b) first"),
        ["Read", "the manual", "first"]
    );
    assert_eq!(masked("2*3*4 is a product"), ["2*3*4 is a product"]);
}

#[test]
fn program_code_is_kept_with_and_without_fences() {
    for text in [
        "```python\nprint('hello world')\n```",
        "~~~\nanything at all\n~~~",
        "def add(a, b):\n    # adds two numbers\n    return a + b\n\nprint(add(1, 2))",
        "int main() {\n    int total = 0;\n    // sum up\n    return total;\n}",
        "SELECT name\nFROM users\nWHERE age > 30;",
        "<html>\n<body>\n<p>Hello there</p>\n</body>\n</html>",
        "for (let i = 0; i < 10; i++) {\n  console.log(i);\n}",
        "import pandas as pd\ndf = pd.read_csv('data.csv')",
        "$$\na = b \\text{ where } b\n$$",
    ] {
        assert_eq!(masked(text), [] as [&str; 0], "{text}");
    }
    let mixed = "Here is the code:\n\n```\nlet x = 1;\n```\nIt prints one.";
    assert_eq!(masked(mixed), ["Here is the code:", "It prints one."]);
}

#[test]
fn a_lost_or_doubled_placeholder_is_seen() {
    let segmenter = segmenter();
    let segments = segmenter.segment("Visit https://a.com and https://b.com.");
    let Segment::Translate(sentence) = &segments[0] else {
        panic!("{segments:?}")
    };
    assert_eq!(
        sentence.restored("Visite XK2 e XK1.").as_deref(),
        Some("Visite https://b.com e https://a.com.")
    );
    for wrong in [
        "Visite XK1.",
        "Visite XK1, XK1 e XK2.",
        "Visite XK1 e XK21.",
        "Visite xk1 e xk2.",
    ] {
        assert_eq!(sentence.restored(wrong), None, "{wrong}");
    }
    let around: Vec<_> = sentence.around_protected();
    assert_eq!(
        around,
        [
            Segment::Translate(Sentence {
                text: "Visit",
                protected: vec![]
            }),
            Segment::Keep(" https://a.com "),
            Segment::Translate(Sentence {
                text: "and",
                protected: vec![]
            }),
            Segment::Keep(" https://b.com."),
        ]
    );
}

#[test]
fn over_long_sentences_are_cut_at_clauses() {
    let clause = "the quick brown fox jumps over the lazy dog";
    let text = format!("{clause}, {clause}; {clause}, {clause}, {clause}.");
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
        parts.iter().all(|part| budget::estimate_pieces(part) <= 30),
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

/// Every field of every row of Alpaca comes back byte for byte.
#[test]
fn alpaca_comes_back_byte_for_byte() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alpaca/alpaca_data.json");
    let Ok(file) = fs::read(&path) else {
        println!("skipped: {} is missing", path.display());
        return;
    };
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
