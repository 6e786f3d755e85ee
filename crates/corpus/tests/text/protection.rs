//! Lists, tables, markup, code and placeholders.

use corpus::text::segment::{Segment, Sentence};

use crate::{masked, segmenter};

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
