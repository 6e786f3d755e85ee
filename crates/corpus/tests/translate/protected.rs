//! Protected text and unusual characters come back byte for byte.

use corpus::record::Answered;
use corpus::stage::RowStage;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;

use crate::{ENGLISH, Engine, PORTUGUESE, row, translate};

#[test]
fn placeholders_come_back_as_what_they_stood_for() {
    let engine =
        Engine::new(|sentence| sentence.replace("visit XK1 or mail XK2", "mail XK2 or visit XK1"));
    let rows = [row(
        "a",
        "Please visit https://a.com or mail b@c.org.",
        "Yes.",
        None,
    )];
    let outcome = &translate(&engine, &[PORTUGUESE], &rows)[0];
    assert_eq!(engine.asked()[0], "Please visit XK1 or mail XK2.");
    let translation = outcome.outputs[0].question.translation.as_deref();
    assert_eq!(
        translation,
        Some("Please mail b@c.org or visit https://a.com.")
    );
}

#[test]
fn a_sentence_that_loses_its_placeholder_is_translated_around_it() {
    let engine = Engine::new(|sentence| sentence.replace("XK1", "").to_uppercase());
    let rows = [row(
        "a",
        "Now visit https://a.com/x for more.",
        "Yes.",
        None,
    )];
    let outcome = &translate(&engine, &[PORTUGUESE], &rows)[0];
    let translation = outcome.outputs[0].question.translation.as_deref();
    assert_eq!(translation, Some("NOW VISIT https://a.com/x FOR MORE."));
    assert_eq!(
        engine.asked(),
        ["Now visit XK1 for more.", "Yes.", "Now visit", "for more."]
    );
}

/// Text that no dictionary prepares for comes back as it is, without a panic.
#[test]
fn hostile_text_comes_back() {
    const LARGE: usize = 10_000_000;
    const SIZE: usize = 1_000_000;
    let controls: String = (0..32u8)
        .map(char::from)
        .chain(['\u{7f}', '\u{feff}', '\u{fffd}', '\u{202e}'])
        .collect();
    let texts = [
        ("one word", "a".repeat(LARGE)),
        (
            "one sentence",
            "the quick brown fox jumps over the lazy dog ".repeat(LARGE / 44),
        ),
        ("sentences", "This is a sentence. ".repeat(SIZE / 20)),
        (
            "control characters",
            format!("{controls}word{controls}").repeat(SIZE / 80),
        ),
        ("opening marks", "[*_`$<{(".repeat(SIZE / 8)),
        ("an unclosed tag", format!("<a {}", "x ".repeat(SIZE / 2))),
        (
            "combining marks",
            format!("e{}", "\u{301}".repeat(SIZE / 2)),
        ),
        (
            "no spaces",
            "日本語のとても長い文章です。".repeat(SIZE / 42),
        ),
    ];
    let engine = Engine::new(str::to_owned);
    for (name, text) in texts {
        let outcome = translate(&engine, &[PORTUGUESE], &[row("a", &text, "Yes.", None)]).remove(0);
        let translation = outcome.outputs[0].question.translation.as_ref();
        assert!(translation == Some(&text), "{name}: not byte for byte");
    }
}

mod with_data {
    use super::*;

    /// Every row of Alpaca comes back byte for byte from a translator that changes nothing.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn alpaca_comes_back_byte_for_byte_through_the_stage() {
        let file = std::fs::read(fixtures::data("alpaca/alpaca_data.json")).expect("Alpaca");
        // Not through the loader, which keeps the 28 rows without an answer aside.
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&file).expect("JSON");
        let text =
            |row: &serde_json::Value, field: &str| row[field].as_str().expect("text").to_owned();
        let rows: Vec<Answered> = rows
            .iter()
            .enumerate()
            .map(|(n, value)| {
                let question =
                    format!("{}\n\n{}", text(value, "instruction"), text(value, "input"));
                let answer = text(value, "output");
                row(&n.to_string(), &question, &answer, Some(&answer))
            })
            .collect();
        assert_eq!(rows.len(), 52_002);
        let identity = Engine::new(str::to_owned);
        let stage = TranslateStage::new(&identity, ENGLISH, vec![PORTUGUESE], DEFAULT_PIECES);
        for rows in rows.chunks(stage.chunk_rows()) {
            for (row, outcome) in rows.iter().zip(stage.process(rows).expect("translation")) {
                assert!(outcome.rejections.is_empty(), "{outcome:?}");
                let output = &outcome.outputs[0];
                assert_eq!(
                    output.question.translation.as_ref(),
                    Some(&row.instruction.question)
                );
                assert_eq!(
                    output.answer.translation.as_ref(),
                    Some(&row.instruction.answer)
                );
                let generated = output
                    .generated
                    .as_ref()
                    .and_then(|text| text.translation.as_ref());
                assert_eq!(generated, row.generated.as_ref());
            }
        }
    }
}
