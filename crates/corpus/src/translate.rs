//! The transfer set in the target language: T(x), T(y) and T(ŷ) (section 3.2.2).
//!
//! [`crate::translation`] says how a text is translated; what still loops is left to the filter.

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::language::Language;
use crate::record::{Answered, TextPair, Translated};
use crate::rejected::Rejection;
use crate::seam::{EngineIdentity, Translator};
use crate::stage::{Outcome, RowStage, StageError};
use crate::text::segment::{Segment, Segmenter};
use crate::translation::{NO_REPEAT_NGRAM_SIZE, put_together, sentence, translate_sentences};

/// Translates questions, given answers and generated answers into every target language.
pub struct TranslateStage<'a> {
    translator: &'a dyn Translator,
    from: Language,
    targets: Vec<Language>,
    segmenter: Segmenter,
    max_pieces: usize,
}

impl<'a> TranslateStage<'a> {
    /// A stage that translates from `from` into each of `targets`, one output row a target.
    /// Sentences longer than `max_pieces` subword pieces (by estimate; see
    /// [`crate::text::budget::DEFAULT_PIECES`]) are cut at clause boundaries.
    pub fn new(
        translator: &'a dyn Translator,
        from: Language,
        targets: Vec<Language>,
        max_pieces: usize,
    ) -> Self {
        Self {
            translator,
            from,
            targets,
            segmenter: Segmenter::new(from, max_pieces),
            max_pieces,
        }
    }
}

/// The texts of a row that are translated, and the fields their rejections name.
const FIELDS: [&str; 3] = [
    "question.translation",
    "answer.translation",
    "generated.translation",
];

fn texts(row: &Answered) -> [Option<&str>; 3] {
    let instruction = &row.instruction;
    [
        Some(&instruction.question),
        Some(&instruction.answer),
        row.generated.as_deref(),
    ]
}

impl RowStage for TranslateStage<'_> {
    type Input = Answered;
    type Output = Translated;

    fn name(&self) -> &'static str {
        "translate"
    }

    fn version(&self) -> u32 {
        4
    }

    fn parameters(&self) -> Value {
        json!({
            "from": self.from,
            "to": self.targets,
            "max_pieces": self.max_pieces,
            "no_repeat_ngram_size": NO_REPEAT_NGRAM_SIZE,
        })
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![self.translator.identity()]
    }

    /// Some hundred sentences: enough to keep every core busy, seconds of work to lose.
    fn chunk_rows(&self) -> usize {
        64
    }

    fn process(&self, rows: &[Answered]) -> Result<Vec<Outcome<Translated>>, StageError> {
        let segments: Vec<[Option<Vec<Segment>>; 3]> = rows
            .par_iter()
            .map(|row| texts(row).map(|text| text.map(|text| self.segmenter.segment(text))))
            .collect();
        let sentences = || {
            segments
                .iter()
                .flatten()
                .flatten()
                .flatten()
                .filter_map(sentence)
        };
        let mut outcomes: Vec<Outcome<Translated>> = rows
            .iter()
            .map(|_| Outcome {
                outputs: Vec::new(),
                rejections: Vec::new(),
            })
            .collect();
        for &to in &self.targets {
            let memory = translate_sentences(self.translator, sentences(), self.from, to)?;
            for ((row, segments), outcome) in rows.iter().zip(&segments).zip(&mut outcomes) {
                let mut pairs = [const { None }; 3];
                for ((pair, text), (segments, field)) in pairs
                    .iter_mut()
                    .zip(texts(row))
                    .zip(segments.iter().zip(FIELDS))
                {
                    let (Some(text), Some(segments)) = (text, segments) else {
                        continue;
                    };
                    let translation = match put_together(segments, &memory, self.from, to) {
                        Ok(translation) => Some(translation),
                        Err(lost) => {
                            let detail = format!("{to}: nothing came back for {lost:?}");
                            outcome.rejections.push(Rejection::new(
                                field,
                                "empty_translation",
                                detail,
                            ));
                            None
                        }
                    };
                    *pair = Some(TextPair {
                        source: text.to_owned(),
                        translation,
                    });
                }
                let [Some(question), Some(answer), generated] = pairs else {
                    unreachable!("every row has a question and an answer");
                };
                let id = row.instruction.id.clone();
                outcome.outputs.push(Translated {
                    id,
                    target: to,
                    question,
                    answer,
                    generated,
                });
            }
        }
        Ok(outcomes)
    }
}
