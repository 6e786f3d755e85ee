//! Translation by instruction: the model is prompted in the words of Table 1, and its answer is
//! scored against the held-out sentence.

use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{EngineError, Request};
use corpus::template;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Headline, Measure, Presentation, Sample, Subject, Task, object};
use crate::metric::Metric;
use crate::metric::bleu::Bleu;
use crate::metric::chrf::Chrf;

/// The part of an answer that counts as the translation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerPart {
    /// All of it, line breaks read as spaces: what the user gets is what is scored, comments and
    /// repetitions included.
    #[default]
    Whole,
    /// The first line that is not blank.
    FirstLine,
}

impl AnswerPart {
    fn of(self, answer: &str) -> String {
        let mut lines = answer
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        match self {
            AnswerPart::Whole => lines.collect::<Vec<_>>().join(" "),
            AnswerPart::FirstLine => lines.next().unwrap_or_default().to_owned(),
        }
    }
}

/// Translation from one language to another.
#[derive(Debug)]
pub struct Translation<'a> {
    from: Language,
    to: Language,
    pairs: Vec<(&'a str, &'a str)>,
    part: AnswerPart,
    bleu: Bleu,
    chrf: Chrf,
}

impl<'a> Translation<'a> {
    /// Translation of the first sentence of each pair; the second is the reference.
    pub fn new(
        from: Language,
        to: Language,
        pairs: Vec<(&'a str, &'a str)>,
        part: AnswerPart,
        bleu: Bleu,
    ) -> Self {
        Self {
            from,
            to,
            pairs,
            part,
            bleu,
            chrf: Chrf::plus_plus(),
        }
    }

    /// The question of Table 1.
    pub fn question(from: Language, to: Language, sentence: &str) -> String {
        template::translation(sentence, from, to)
    }

    fn metrics(&self) -> [(&'static str, &dyn Metric); 2] {
        [("chrf++", &self.chrf), ("bleu", &self.bleu)]
    }
}

impl Task for Translation<'_> {
    fn name(&self) -> String {
        format!("translation_{}-{}", self.from.code(), self.to.code())
    }

    fn version(&self) -> u32 {
        1
    }

    fn language(&self) -> Language {
        self.to
    }

    fn configuration(&self) -> Value {
        json!({
            "from": self.from.code(),
            "to": self.to.code(),
            "prompt": Self::question(self.from, self.to, "{sentence}"),
            "answer_part": self.part,
            "metrics": self.metrics().map(|(_, metric)| metric.signature(1).to_string()),
        })
    }

    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        let (sentence, reference) = self.pairs[index];
        (
            object([("sentence", sentence.into())]),
            reference.to_owned(),
        )
    }

    fn measures(&self) -> Vec<Measure> {
        self.metrics()
            .map(|(key, metric)| Measure {
                key: key.to_owned(),
                name: metric.name(),
                signature: metric.signature(1).to_string(),
                aggregate: metric.aggregate(),
                higher_is_better: Some(true),
                unit: String::new(),
            })
            .into()
    }

    fn presentation(&self) -> Presentation {
        let [from, to] = [self.from, self.to].map(Language::everyday_name);
        let title = format!("Translation, {from} → {to}");
        Presentation {
            group: title.clone(),
            title,
            order: 200,
            headline: Some(Headline::new("chrf++", format!("chrF++ into {to}"))),
            asked: Some("sentence".to_owned()),
            ..Presentation::default()
        }
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let questions: Vec<Request> = self.pairs[range.clone()]
            .iter()
            .map(|(sentence, _)| Self::question(self.from, self.to, sentence))
            .map(Request::question)
            .collect();
        let answers = subject.answer(&questions)?;
        Ok(range
            .zip(answers)
            .map(|(index, answer)| {
                let (doc, target) = self.document(index);
                let hypothesis = self.part.of(&answer.text);
                let statistics = self
                    .metrics()
                    .map(|(key, metric)| {
                        (key.to_owned(), metric.statistics(&hypothesis, &[&target]))
                    })
                    .into();
                Sample {
                    doc_id: index,
                    doc,
                    target,
                    resps: vec![vec![answer.text]],
                    filtered_resps: vec![hypothesis],
                    statistics,
                    observed: object([
                        ("finish_reason", json!(answer.finish_reason)),
                        ("tokens", answer.tokens.into()),
                    ]),
                }
            })
            .collect())
    }
}
