//! Translations that repeat themselves are asked for once more.

use std::sync::Mutex;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};

use crate::{Engine, PORTUGUESE, row, translate};

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
