//! Passages into the source language.

use serde_json::{Value, json};

use crate::language::Language;
use crate::record::{BackTranslated, Passage};
use crate::rejected::Rejection;
use crate::repetition;
use crate::seam::{EngineIdentity, Translator};
use crate::stage::{Inputs, Outcome, RowStage, StageError};
use crate::text::segment::Segmenter;
use crate::translation::{NO_REPEAT_NGRAM_SIZE, translate_texts};

/// Translates passages into the source language, for an LLM that knows their own too little to
/// write instructions in it.
///
/// A passage that says the same again and again (`looping`), or whose translation does
/// (`repetition`) or lacks a sentence (`empty_translation`), does not go on.
pub struct PassageStage<'a> {
    translator: &'a dyn Translator,
    source: Language,
    max_pieces: usize,
    details: Value,
}

impl<'a> PassageStage<'a> {
    /// A stage that translates into `source`. Sentences longer than `max_pieces` subword pieces are
    /// cut, as in the stage `translate`.
    pub fn new(translator: &'a dyn Translator, source: Language, max_pieces: usize) -> Self {
        Self {
            translator,
            source,
            max_pieces,
            details: Value::Null,
        }
    }

    /// Has the manifest say what else is known of the passages.
    pub fn with_details(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

impl RowStage for PassageStage<'_> {
    type Input = Passage;
    type Output = BackTranslated;

    fn name(&self) -> &'static str {
        "passages"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({
            "to": self.source,
            "max_pieces": self.max_pieces,
            "no_repeat_ngram_size": NO_REPEAT_NGRAM_SIZE,
        })
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![self.translator.identity()]
    }

    fn details(&self, _: &Inputs<'_, Passage>) -> Result<Value, StageError> {
        Ok(self.details.clone())
    }

    /// Some hundred sentences, as in the stage `translate`.
    fn chunk_rows(&self) -> usize {
        64
    }

    fn process(&self, rows: &[Passage]) -> Result<Vec<Outcome<BackTranslated>>, StageError> {
        let mut outcomes = Vec::with_capacity(rows.len());
        for rows in rows.chunk_by(|one, next| one.target == next.target) {
            let from = rows[0].target;
            let segmenter = Segmenter::new(from, self.max_pieces);
            let texts: Vec<&str> = rows.iter().map(|row| row.passage.as_str()).collect();
            let (translator, to) = (self.translator, self.source);
            let translations = translate_texts(translator, &segmenter, &texts, from, to)?;
            let rows = rows.iter().zip(translations);
            outcomes.extend(rows.map(|(row, translation)| outcome(row, translation)));
        }
        Ok(outcomes)
    }
}

fn outcome(row: &Passage, translation: Option<String>) -> Outcome<BackTranslated> {
    if let Some(found) = repetition::looping(&row.passage) {
        let detail = format!("says {found}");
        return Outcome::rejected(Rejection::new("passage", "looping", detail));
    }
    let Some(translation) = translation else {
        let detail = "nothing came back for one of its sentences";
        return Outcome::rejected(Rejection::new("translation", "empty_translation", detail));
    };
    if let Some(found) = repetition::added(&row.passage, &translation) {
        let detail = format!("{found}: {translation}");
        return Outcome::rejected(Rejection::new("translation", "repetition", detail));
    }
    Outcome::kept(BackTranslated {
        id: row.id.clone(),
        target: row.target,
        passage: row.passage.clone(),
        translation,
    })
}
