//! Instructions into the language of their passages, and the judgement of both.

use serde_json::{Value, json};

use crate::language::Language;
use crate::record::{Instructed, TextPair, Translated};
use crate::rejected::Rejection;
use crate::seam::{EngineIdentity, Translator};
use crate::stage::{Outcome, RowStage, StageError};
use crate::text::segment::Segmenter;
use crate::translation::{NO_REPEAT_NGRAM_SIZE, translate_texts};

/// The fields of rejections.
const INSTRUCTION: &str = "instruction.translation";
const PASSAGE: &str = "passage";

/// A rejection of the filter, with the field called as in the row that came in.
fn renamed(rejection: Rejection) -> Rejection {
    let field = match rejection.field {
        "question.translation" => INSTRUCTION,
        "answer.translation" => PASSAGE,
        other => other,
    };
    Rejection { field, ..rejection }
}

/// Translates instructions, and has a filter judge them beside their passages.
///
/// A row that goes on has the instruction and its translation as question, and as answer the
/// passage beside its own translation: `answer.translation` is the native text, `answer.source` what
/// was made of it. The filter judges both pairs as it judges questions and answers; a row with a
/// fault in either does not go on, since an instruction made from a bad translation asks for
/// something else than the passage.
pub struct NativeStage<'a, F> {
    translator: &'a dyn Translator,
    source: Language,
    segmenter: Segmenter,
    max_pieces: usize,
    filter: F,
}

impl<'a, F: RowStage<Input = Translated, Output = Translated>> NativeStage<'a, F> {
    /// A stage that translates from `source`; sentences longer than `max_pieces` subword pieces are
    /// cut. `filter` judges the pairs: the stage of that name.
    pub fn new(
        translator: &'a dyn Translator,
        source: Language,
        max_pieces: usize,
        filter: F,
    ) -> Self {
        Self {
            translator,
            source,
            segmenter: Segmenter::new(source, max_pieces),
            max_pieces,
            filter,
        }
    }

    fn translated(&self, rows: &[Instructed]) -> Result<Vec<Option<Translated>>, StageError> {
        let mut translated = Vec::with_capacity(rows.len());
        for rows in rows.chunk_by(|one, next| one.target == next.target) {
            let to = rows[0].target;
            let texts: Vec<&str> = rows.iter().map(|row| row.instruction.as_str()).collect();
            let translations =
                translate_texts(self.translator, &self.segmenter, &texts, self.source, to)?;
            translated.extend(rows.iter().zip(translations).map(|(row, question)| {
                Some(Translated {
                    id: row.id.clone(),
                    target: row.target,
                    question: TextPair {
                        source: row.instruction.clone(),
                        translation: Some(question?),
                    },
                    answer: TextPair {
                        source: row.translation.clone(),
                        translation: Some(row.passage.clone()),
                    },
                    generated: None,
                })
            }));
        }
        Ok(translated)
    }
}

impl<F: RowStage<Input = Translated, Output = Translated>> RowStage for NativeStage<'_, F> {
    type Input = Instructed;
    type Output = Translated;

    fn name(&self) -> &'static str {
        "native"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({
            "max_pieces": self.max_pieces,
            "no_repeat_ngram_size": NO_REPEAT_NGRAM_SIZE,
            "filter": { "version": self.filter.version(), "parameters": self.filter.parameters() },
        })
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        let translator = std::iter::once(self.translator.identity());
        translator.chain(self.filter.engines()).collect()
    }

    fn chunk_rows(&self) -> usize {
        self.filter.chunk_rows().min(64)
    }

    fn process(&self, rows: &[Instructed]) -> Result<Vec<Outcome<Translated>>, StageError> {
        let translated = self.translated(rows)?;
        let whole: Vec<Translated> = translated.iter().flatten().cloned().collect();
        let mut judged = self.filter.process(&whole)?.into_iter();
        let outcomes = translated.into_iter().map(|translated| {
            if translated.is_none() {
                let detail = "nothing came back for one of its sentences";
                let rejection = Rejection::new(INSTRUCTION, "empty_translation", detail);
                return Outcome::rejected(rejection);
            }
            let judged = judged.next().expect("an outcome for each row");
            match judged.rejections.is_empty() {
                true => judged,
                false => Outcome {
                    outputs: Vec::new(),
                    rejections: judged.rejections.into_iter().map(renamed).collect(),
                },
            }
        });
        Ok(outcomes.collect())
    }
}
