//! The translate stage with stand-in engines: what reaches them, and what becomes of their answers.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use corpus::language::Language;
use corpus::record::{Answered, Instruction, Translated};
use corpus::seam::{EngineError, EngineIdentity, Translator};
use corpus::stage::{Outcome, RowStage};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;
const GERMAN: Language = Language::with_code("deu_Latn");

/// Applies a function to every sentence and remembers what it was asked.
struct Engine<F> {
    answer: F,
    asked: Mutex<Vec<String>>,
}

impl<F: Fn(&str) -> String + Send + Sync> Engine<F> {
    fn new(answer: F) -> Self {
        Self {
            answer,
            asked: Mutex::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl<F: Fn(&str) -> String + Send + Sync> Translator for Engine<F> {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "stand-in".into(),
            model: String::new(),
            revision: String::new(),
            parameters: String::new(),
            licence: None,
        }
    }

    fn translate(
        &self,
        sentences: &[String],
        _: Language,
        _: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.asked
            .lock()
            .expect("no panic")
            .extend_from_slice(sentences);
        Ok(sentences
            .iter()
            .map(|sentence| (self.answer)(sentence))
            .collect())
    }
}

fn row(id: &str, question: &str, answer: &str, generated: Option<&str>) -> Answered {
    Answered {
        instruction: Instruction {
            id: id.into(),
            question: question.into(),
            answer: answer.into(),
        },
        generated: generated.map(String::from),
    }
}

fn translate(
    engine: &dyn Translator,
    targets: &[Language],
    rows: &[Answered],
) -> Vec<Outcome<Translated>> {
    let stage = TranslateStage::new(engine, ENGLISH, targets.to_vec(), DEFAULT_PIECES);
    stage.process(rows).expect("translation")
}

#[test]
fn every_text_is_translated_into_every_target() {
    let engine = Engine::new(|sentence| format!("<{sentence}>"));
    let rows = [row("a", "One. Two!\n\n- three", "1969", Some("Four."))];
    let outcomes = translate(&engine, &[PORTUGUESE, GERMAN], &rows);
    assert_eq!(outcomes[0].outputs.len(), 2);
    for (output, target) in outcomes[0].outputs.iter().zip([PORTUGUESE, GERMAN]) {
        assert_eq!((output.id.as_str(), output.target), ("a", target));
        assert_eq!(
            output.question.translation.as_deref(),
            Some("<One.> <Two!>\n\n- <three>")
        );
        assert_eq!(output.answer.translation.as_deref(), Some("1969"));
        let generated = output.generated.as_ref().expect("a generated answer");
        assert_eq!(generated.source, "Four.");
        assert_eq!(generated.translation.as_deref(), Some("<Four.>"));
    }
    assert!(outcomes[0].rejections.is_empty());
}

#[test]
fn equal_sentences_are_asked_once() {
    let engine = Engine::new(str::to_uppercase);
    let rows = [
        row("a", "Same here. Same here.", "Same here.", None),
        row("b", "Same here.", "Other.", None),
    ];
    let outcomes = translate(&engine, &[PORTUGUESE], &rows);
    assert_eq!(engine.asked(), ["Same here.", "Other."]);
    assert_eq!(
        outcomes[0].outputs[0].question.translation.as_deref(),
        Some("SAME HERE. SAME HERE.")
    );
}

#[test]
fn an_empty_translation_rejects_its_text_only() {
    let engine = Engine::new(|sentence| {
        if sentence.contains("lost") {
            "  ".into()
        } else {
            sentence.into()
        }
    });
    let rows = [row("a", "Kept.", "Kept. All lost. Kept.", Some("Fine."))];
    let outcome = &translate(&engine, &[PORTUGUESE], &rows)[0];
    let output = &outcome.outputs[0];
    assert_eq!(output.question.translation.as_deref(), Some("Kept."));
    assert_eq!(output.answer.translation, None);
    assert_eq!(output.answer.source, "Kept. All lost. Kept.");
    assert!(
        output
            .generated
            .as_ref()
            .is_some_and(|text| text.translation.is_some())
    );
    let rejection = &outcome.rejections[0];
    assert_eq!(
        (rejection.field, rejection.reason),
        ("answer.translation", "empty_translation")
    );
    assert!(
        rejection.detail.contains("All lost."),
        "{}",
        rejection.detail
    );
}

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

#[test]
fn an_engine_that_returns_too_few_is_an_error() {
    struct Short;
    impl Translator for Short {
        fn identity(&self) -> EngineIdentity {
            Engine::new(str::to_owned).identity()
        }
        fn translate(
            &self,
            _: &[String],
            _: Language,
            _: Language,
        ) -> Result<Vec<String>, EngineError> {
            Ok(vec!["one".into()])
        }
    }
    let stage = TranslateStage::new(&Short, ENGLISH, vec![PORTUGUESE], DEFAULT_PIECES);
    let error = stage
        .process(&[row("a", "One. Two.", "Three.", None)])
        .expect_err("too few")
        .to_string();
    assert!(
        error.contains("returned 1 translations for 3 sentences"),
        "{error}"
    );
}

/// The result of a row does not depend on the rows beside it.
#[test]
fn rows_are_translated_alike_alone_and_together() {
    let engine = Engine::new(|sentence| sentence.chars().rev().collect());
    let rows: Vec<Answered> = (0..20)
        .map(|n| {
            row(
                &n.to_string(),
                &format!("Question {n} of `code`. Same."),
                "Same. *Same.*",
                None,
            )
        })
        .collect();
    let together = translate(&engine, &[PORTUGUESE], &rows);
    for (row, expected) in rows.iter().zip(&together) {
        assert_eq!(
            &translate(&engine, &[PORTUGUESE], std::slice::from_ref(row))[0],
            expected
        );
    }
}

/// Loops where a sentence asks for it; a second attempt stops after the first round.
struct Looping {
    can_again: bool,
    again: Mutex<Vec<String>>,
}

impl Looping {
    fn new(can_again: bool) -> Self {
        let again = Mutex::default();
        Self { can_again, again }
    }
}

const ROUND: &str = "eu não sei o que dizer, ";

impl Translator for Looping {
    fn identity(&self) -> EngineIdentity {
        Engine::new(str::to_owned).identity()
    }

    fn translate(
        &self,
        sentences: &[String],
        _: Language,
        _: Language,
    ) -> Result<Vec<String>, EngineError> {
        let translation = |sentence: &String| match sentence.as_str() {
            "Loop." | "Hopeless." => ROUND.repeat(12),
            other => other.to_uppercase(),
        };
        Ok(sentences.iter().map(translation).collect())
    }

    fn translate_again(
        &self,
        sentences: &[String],
        _: Language,
        _: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        assert!(no_repeat_ngram_size > 1);
        if !self.can_again {
            return Ok(None);
        }
        self.again
            .lock()
            .expect("no panic")
            .extend_from_slice(sentences);
        let translation = |sentence: &String| match sentence.as_str() {
            "Loop." => ROUND.trim().to_owned(),
            _ => ROUND.repeat(11),
        };
        Ok(Some(sentences.iter().map(translation).collect()))
    }
}

#[test]
fn a_looping_sentence_is_translated_once_more() {
    let engine = Looping::new(true);
    let rows = [row("a", "Fine. Loop. Fine.", "Hopeless.", None)];
    let outcome = &translate(&engine, &[PORTUGUESE], &rows)[0];
    let output = &outcome.outputs[0];
    assert_eq!(
        output.question.translation.as_deref(),
        Some("FINE. eu não sei o que dizer, FINE.")
    );
    // What loops again keeps its first form, for the filter to refuse.
    assert_eq!(
        output.answer.translation.as_deref(),
        Some(ROUND.repeat(12).trim())
    );
    assert_eq!(
        *engine.again.lock().expect("no panic"),
        ["Loop.", "Hopeless."]
    );
}

#[test]
fn an_engine_that_cannot_try_again_is_not_asked_twice() {
    let outcome = &translate(
        &Looping::new(false),
        &[PORTUGUESE],
        &[row("a", "Loop.", "Fine.", None)],
    )[0];
    let translation = outcome.outputs[0].question.translation.as_deref();
    assert_eq!(translation, Some(ROUND.repeat(12).trim()));
}

/// Every row of Alpaca comes back byte for byte from a translator that changes nothing.
#[test]
fn alpaca_comes_back_byte_for_byte_through_the_stage() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alpaca/alpaca_data.json");
    let Ok(file) = std::fs::read(&path) else {
        println!("skipped: {} is missing", path.display());
        return;
    };
    // Not through the loader, which keeps the 28 rows without an answer aside.
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&file).expect("JSON");
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().expect("text").to_owned();
    let rows: Vec<Answered> = rows
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let question = format!("{}\n\n{}", text(value, "instruction"), text(value, "input"));
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

/// Text that no dictionary prepares for comes back as it is, soon, and without a panic.
#[test]
fn hostile_text_comes_back_in_bounded_time() {
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
        let started = Instant::now();
        let outcome = translate(&engine, &[PORTUGUESE], &[row("a", &text, "Yes.", None)]).remove(0);
        let translation = outcome.outputs[0].question.translation.as_ref();
        assert!(translation == Some(&text), "{name}: not byte for byte");
        let seconds = started.elapsed().as_secs_f64();
        println!("{name}: {seconds:.1} s");
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{name}: {seconds:.1} s"
        );
    }
}
