//! The loss of held-out answers: −ln p per token of the answer and its end-of-turn token, as the
//! training objective sees it.

use std::collections::BTreeMap;
use std::ops::Range;

use corpus::language::Language;
use corpus::record::{Example, Subset};
use corpus::seam::{EngineError, Request};
use serde_json::{Map, Value, json};

use super::{Headline, IMPLEMENTATION, Measure, Presentation, Sample, Subject, Task, object};
use crate::metric::{Aggregate, Signature};
use crate::rows::Question;

/// The loss of reference answers to questions.
#[derive(Debug)]
pub struct HeldOutLoss<'a> {
    name: String,
    language: Language,
    /// The subset of the transfer set; `None` for reference answers to questions.
    subset: Option<Subset>,
    source: Option<Language>,
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    id: &'a str,
    question: &'a str,
    answer: &'a str,
}

impl<'a> HeldOutLoss<'a> {
    /// The reference answers to held-out questions in `language`, without questions that have none.
    pub fn of_questions(language: Language, questions: &'a [Question]) -> Self {
        let rows = questions
            .iter()
            .filter(|question| !question.answer.trim().is_empty())
            .map(|row| Row {
                id: &row.id,
                question: &row.question,
                answer: &row.answer,
            })
            .collect();
        Self {
            name: format!("held_out_loss_{}", language.code()),
            language,
            subset: None,
            source: None,
            rows,
        }
    }

    /// One task per subset of the transfer set and, if there are several, per target language.
    pub fn of_examples(source: Language, examples: &'a [Example]) -> Vec<Self> {
        let mut groups: BTreeMap<(Subset, Language), Vec<Row<'a>>> = BTreeMap::new();
        for example in examples {
            groups
                .entry((example.subset, example.target(source)))
                .or_default()
                .push(Row {
                    id: &example.id,
                    question: &example.question,
                    answer: &example.answer,
                });
        }
        groups
            .into_iter()
            .map(|((subset, language), rows)| {
                let name = if language == source {
                    format!("held_out_loss_{}", subset.name())
                } else {
                    format!("held_out_loss_{}_{}", subset.name(), language.code())
                };
                Self {
                    name,
                    language,
                    subset: Some(subset),
                    source: Some(source),
                    rows,
                }
            })
            .collect()
    }
}

impl Task for HeldOutLoss<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn version(&self) -> u32 {
        1
    }

    fn language(&self) -> Language {
        self.language
    }

    fn configuration(&self) -> Value {
        json!({ "language": self.language.code() })
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        let Row {
            id,
            question,
            answer,
        } = self.rows[index];
        (
            object([("id", id.into()), ("question", question.into())]),
            answer.to_owned(),
        )
    }

    fn measures(&self) -> Vec<Measure> {
        vec![Measure {
            key: "loss".to_owned(),
            name: "answer loss per token".to_owned(),
            signature: Signature::without_references()
                .with("unit", "token")
                .with("scored", "answer+end-of-turn")
                .with("impl", IMPLEMENTATION)
                .to_string(),
            aggregate: Aggregate::Ratio { scale: 1.0 },
            higher_is_better: Some(false),
            unit: String::new(),
        }]
    }

    fn presentation(&self) -> Presentation {
        let language = self.language.everyday_name();
        let mut presentation = Presentation {
            group: "Held-out answers, loss per token".to_owned(),
            order: 400,
            ..Presentation::default()
        };
        match self.subset {
            None => {
                presentation.title = format!("Held-out answers in {language}");
                presentation.row = Some(format!("reference answers in {language}"));
                presentation.headline = Some(Headline {
                    of_source: true,
                    ..Headline::new("loss", format!("Loss of {language} answers"))
                });
            }
            Some(subset) => {
                let of = match self.source == Some(self.language) {
                    true => format!("{} examples", subset.name()),
                    false => format!("{} examples, {language}", subset.name()),
                };
                presentation.title = format!("Held-out {of}");
                presentation.row = Some(of);
                presentation.order += 1 + subset as u32;
            }
        }
        presentation
    }

    fn needs_scorer(&self) -> bool {
        true
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let texts: Vec<Request> = self.rows[range.clone()]
            .iter()
            .map(|row| Request::question(row.question).with_continuations([row.answer]))
            .collect();
        let losses = subject.losses(&texts)?;
        Ok(range
            .zip(losses)
            .map(|(index, (loss, tokens))| {
                let (doc, target) = self.document(index);
                Sample {
                    doc_id: index,
                    doc,
                    target,
                    resps: Vec::new(),
                    filtered_resps: Vec::new(),
                    statistics: [("loss".to_owned(), vec![loss, tokens])].into(),
                    observed: object([("tokens", tokens.into())]),
                }
            })
            .collect())
    }
}
