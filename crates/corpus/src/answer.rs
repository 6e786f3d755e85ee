//! The LLM's own answers: from D = {(x, y)} to G = {(x, ŷ)} (section 3.2.1).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::record::{Answered, Instruction};
use crate::repetition;
use crate::seam::{Answer, Answerer, EngineIdentity, FinishReason, Request};
use crate::stage::{Inputs, Outcome, Rejection, RowStage, StageError};

/// Has an LLM answer every question.
///
/// A row whose answer is `empty`, `cut_off` by the token budget or `looping` is kept without ŷ.
pub struct AnswerStage<'a> {
    answerer: &'a dyn Answerer,
    rows_at_once: usize,
    left_out: BTreeMap<&'static str, u64>,
}

impl<'a> AnswerStage<'a> {
    /// `rows_at_once` questions are handed to the LLM together, and are the work that a kill costs
    /// at most; a few times what it answers in one batch is a good number.
    pub fn new(answerer: &'a dyn Answerer, rows_at_once: usize) -> Self {
        Self {
            answerer,
            rows_at_once,
            left_out: BTreeMap::new(),
        }
    }

    /// Has the manifest say what the source left out of usable rows
    /// ([`Loaded::left_out`](crate::source::Loaded::left_out)).
    pub fn with_left_out(self, left_out: BTreeMap<&'static str, u64>) -> Self {
        Self { left_out, ..self }
    }
}

impl RowStage for AnswerStage<'_> {
    type Input = Instruction;
    type Output = Answered;

    fn name(&self) -> &'static str {
        "answer"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({})
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![self.answerer.identity()]
    }

    fn details(&self, _: &Inputs<'_, Instruction>) -> Result<Value, StageError> {
        Ok(match self.left_out.is_empty() {
            true => Value::Null,
            false => json!({ "left_out": self.left_out }),
        })
    }

    fn chunk_rows(&self) -> usize {
        self.rows_at_once
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Answered>>, StageError> {
        let questions = rows.iter().map(|row| Request::question(&row.question));
        let answers = self.answerer.answer(&questions.collect::<Vec<_>>())?;
        // A short list of answers must not pass for a short list of rows.
        if answers.len() != rows.len() {
            let (rows, outcomes) = (rows.len(), answers.len());
            return Err(StageError::OutcomeCount {
                stage: self.name(),
                rows,
                outcomes,
            });
        }
        Ok(rows
            .iter()
            .zip(answers)
            .map(|(row, answer)| outcome(row, answer))
            .collect())
    }
}

fn outcome(instruction: &Instruction, answer: Answer) -> Outcome<Answered> {
    let instruction = instruction.clone();
    let text = answer.text.trim();
    match refusal(text, &answer) {
        None => Outcome::kept(Answered {
            instruction,
            generated: Some(text.to_owned()),
        }),
        Some((reason, why)) => {
            let detail = if text.is_empty() {
                why
            } else {
                format!("{why}: {text}")
            };
            let rejection = Rejection::new("generated", reason, detail);
            Outcome::kept_without(
                Answered {
                    instruction,
                    generated: None,
                },
                vec![rejection],
            )
        }
    }
}

fn refusal(text: &str, answer: &Answer) -> Option<(&'static str, String)> {
    if text.is_empty() {
        return Some(("empty", "the answer is empty".into()));
    }
    // A loop runs into the token budget, too, and is the better explanation.
    if let Some(found) = repetition::looping(text) {
        return Some(("looping", format!("says {found}")));
    }
    match answer.finish_reason {
        FinishReason::Stop => None,
        FinishReason::Length => {
            Some(("cut_off", format!("cut off after {} tokens", answer.tokens)))
        }
        FinishReason::Filtered => Some(("filtered", "cut by the server's content filter".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::seam::EngineError;
    use crate::stage::{StageOptions, run};

    /// Answers with the question in upper case, in the manner that the question asks for.
    struct Parrot;

    impl Answerer for Parrot {
        fn identity(&self) -> EngineIdentity {
            EngineIdentity {
                engine: "parrot".into(),
                model: "none".into(),
                revision: "1".into(),
                parameters: "greedy".into(),
                licence: None,
            }
        }

        fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
            let answer = |request: &Request| {
                let (text, finish_reason) = match request.last() {
                    "empty" => (" \n".into(), FinishReason::Stop),
                    "long" => ("It is a long".into(), FinishReason::Length),
                    "loop" => ("so it goes ".repeat(20), FinishReason::Length),
                    other => (format!(" {}\n", other.to_uppercase()), FinishReason::Stop),
                };
                Answer {
                    text,
                    finish_reason,
                    tokens: 4,
                }
            };
            Ok(requests.iter().map(answer).collect())
        }
    }

    #[test]
    fn rows_with_a_bad_answer_go_on_without_it() {
        let row = |question: &str| Instruction {
            id: question.into(),
            question: question.into(),
            answer: "given".into(),
        };
        let rows = ["hello", "empty", "long", "loop", "bye"].map(row);
        let folder = tempfile::tempdir().unwrap();
        let left_out = [("system", 3)].into();
        let stage = AnswerStage::new(&Parrot, 2).with_left_out(left_out);
        let options = StageOptions::default();
        let manifest = run(
            &stage,
            &Inputs::rows(&rows),
            folder.path(),
            &options,
            &Silent,
        )
        .unwrap();
        let answered: Vec<Answered> = Inputs::stage(folder.path())
            .unwrap()
            .iter()
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let generated: Vec<_> = answered
            .iter()
            .map(|row| row.generated.as_deref())
            .collect();
        assert_eq!(generated, [Some("HELLO"), None, None, None, Some("BYE")]);
        assert!(answered.iter().map(|row| &row.instruction).eq(&rows));
        assert_eq!(manifest.results.details["left_out"]["system"], 3);
        let reasons: Vec<_> = manifest
            .results
            .counts
            .rejections
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(reasons, ["cut_off", "empty", "looping"]);
        assert_eq!(manifest.provenance.engines, [Parrot.identity()]);
        let rejected = std::fs::read_to_string(folder.path().join("rejected.jsonl")).unwrap();
        assert!(
            rejected.contains("cut off after 4 tokens: It is a long"),
            "{rejected}"
        );
        assert!(
            rejected.contains(r#"says \"so it goes\" 20 times"#),
            "{rejected}"
        );
    }
}
