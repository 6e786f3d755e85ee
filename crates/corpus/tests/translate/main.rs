//! The translate stage with stand-in engines: what reaches them, and what becomes of their answers.

mod loops;
mod protected;
mod rows;
mod unreadable;

use std::sync::Mutex;

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
