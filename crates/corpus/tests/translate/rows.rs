//! Rows and sentences: every text, every target, and bad answers of the engine.

use corpus::language::Language;
use corpus::record::Answered;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use corpus::stage::RowStage;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;

use crate::{ENGLISH, Engine, GERMAN, PORTUGUESE, row, translate};

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
