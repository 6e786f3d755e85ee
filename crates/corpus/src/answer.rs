//! The LLM's own answers: from D = {(x, y)} to G = {(x, ŷ)} (section 3.2.1).

pub mod reasoning;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::asking::{self, Unusable};
use crate::record::{Answered, Instruction};
use crate::seam::{Answerer, EngineIdentity, Request};
use crate::stage::{Inputs, Outcome, Partial, Rejection, RowStage, StageError};

/// Has an LLM answer every question.
///
/// A row whose answer is `empty`, `cut_off` by the token budget or `looping`, or whose question is
/// `too_long` or was refused (`failed`, `filtered`), is kept without ŷ.
pub struct AnswerStage<'a> {
    answerer: Option<&'a dyn Answerer>,
    rows_at_once: usize,
    left_out: BTreeMap<&'static str, u64>,
}

impl<'a> AnswerStage<'a> {
    /// `rows_at_once` questions are handed to the LLM together, and are the work that a kill costs
    /// at most; a few times what it answers in one batch is a good number.
    pub fn new(answerer: &'a dyn Answerer, rows_at_once: usize) -> Self {
        Self {
            answerer: Some(answerer),
            rows_at_once,
            left_out: BTreeMap::new(),
        }
    }

    /// Answers nothing: every row goes on with its given answer alone.
    pub fn without_answers() -> Self {
        Self {
            answerer: None,
            rows_at_once: 1024,
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
        2
    }

    fn parameters(&self) -> Value {
        json!({})
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        self.answerer.map(Answerer::identity).into_iter().collect()
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
        self.process_partly(rows).complete()
    }

    /// Answers may be paid for, so those before a failure are kept.
    fn process_partly(&self, rows: &[Instruction]) -> Partial<Answered> {
        let Some(answerer) = self.answerer else {
            let unanswered = rows.iter().map(|row| without_answer(row, Vec::new()));
            return Partial {
                outcomes: unanswered.map(Some).collect(),
                stopped: None,
            };
        };
        asking::ask(
            self.name(),
            answerer,
            rows,
            |row| Request::question(&row.question),
            outcome,
        )
    }
}

fn without_answer(instruction: &Instruction, rejections: Vec<Rejection>) -> Outcome<Answered> {
    let row = Answered {
        instruction: instruction.clone(),
        generated: None,
    };
    Outcome::kept_without(row, rejections)
}

fn outcome(instruction: &Instruction, answer: Result<String, Unusable>) -> Outcome<Answered> {
    match answer {
        Ok(text) => Outcome::kept(Answered {
            instruction: instruction.clone(),
            generated: Some(text),
        }),
        Err(Unusable { reason, detail }) => {
            let rejection = Rejection::new("generated", reason, detail);
            without_answer(instruction, vec![rejection])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::seam::{Answer, EngineError, FinishReason};
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

    #[test]
    fn rows_go_on_with_the_given_answer_if_no_other_is_wanted() {
        let rows = ["hello", "bye"].map(|question| Instruction {
            id: question.into(),
            question: question.into(),
            answer: "given".into(),
        });
        let folder = tempfile::tempdir().unwrap();
        let (stage, inputs) = (AnswerStage::without_answers(), Inputs::rows(&rows));
        let options = StageOptions::default();
        let manifest = run(&stage, &inputs, folder.path(), &options, &Silent).unwrap();
        assert!(manifest.results.counts.rejections.is_empty());
        let answered = Inputs::<Answered>::stage(folder.path()).unwrap();
        let answered: Vec<Answered> = answered.iter().unwrap().map(Result::unwrap).collect();
        assert!(answered.iter().all(|row| row.generated.is_none()));
        assert!(answered.iter().map(|row| &row.instruction).eq(&rows));
    }
}
