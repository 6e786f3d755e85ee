//! Questions with reference answers: the model writes, and metrics compare. Translation,
//! summarisation and question answering are such tasks.

use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{Answer, EngineError, FinishReason, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Direction, IMPLEMENTATION, Measure, Presentation, SHARE, Sample, Subject, Task, object,
};
use crate::metric::{Aggregate, Metric, Signature};

/// The part of an answer that is scored.
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
    /// This part of `answer`.
    pub fn of(self, answer: &str) -> String {
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

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The document in the samples.
    pub doc: Map<String, Value>,
    /// What the user asks.
    pub prompt: String,
    /// Correct answers; the first is shown in solved examples.
    pub references: Vec<String>,
}

/// Questions that are answered in the model's own words.
pub struct Generation {
    /// Name in `results.json`.
    pub name: String,
    /// Raised with every change of prompt or scoring.
    pub version: u32,
    /// Language of the answers.
    pub language: Language,
    /// The language of the questions' sentences if the answers are translations of these.
    pub translated_from: Option<Language>,
    /// What else determines the result, e.g. the template of the prompts.
    pub configuration: Map<String, Value>,
    /// Solved examples shown before each question.
    pub solved: Vec<Question>,
    /// The questions.
    pub questions: Vec<Question>,
    /// The metrics by the keys of their measures.
    pub metrics: Vec<(&'static str, Box<dyn Metric>)>,
    /// The part of an answer that is scored.
    pub part: AnswerPart,
    /// Maximum number of tokens of an answer; `None` leaves it to the engine.
    pub budget: Option<usize>,
    /// Its presentation in a report.
    pub presentation: Presentation,
}

/// Key of the share of answers that reached the maximum number of tokens.
const CUT: &str = "cut";
/// Key of the share of answers without text.
const EMPTY: &str = "empty";

impl Generation {
    fn request(&self, question: &Question) -> Request {
        let solved = self.solved.iter().map(|solved| {
            let answer = solved.references.first().cloned().unwrap_or_default();
            (solved.prompt.clone(), answer)
        });
        let request = Request::few_shot(solved, &question.prompt);
        match self.budget {
            Some(budget) => request.with_budget(budget),
            None => request,
        }
    }

    /// The statistics of an answer, by measure.
    fn statistics(&self, index: usize, scored: &str, is_cut: bool) -> Vec<(String, Vec<f64>)> {
        let references = &self.questions[index].references;
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        let metrics = self.metrics.iter();
        let metrics = metrics
            .map(|(key, metric)| ((*key).to_owned(), metric.statistics(scored, &references)));
        let share = |key: &str, yes: bool| (key.to_owned(), vec![f64::from(yes), 1.0]);
        let shares = [share(CUT, is_cut), share(EMPTY, scored.is_empty())];
        metrics.chain(shares).collect()
    }

    fn sample(&self, index: usize, answer: Answer) -> Sample {
        let (doc, target) = self.document(index);
        let scored = self.part.of(&answer.text);
        let is_cut = answer.finish_reason == FinishReason::Length;
        Sample {
            doc_id: index,
            doc,
            target,
            statistics: self
                .statistics(index, &scored, is_cut)
                .into_iter()
                .collect(),
            resps: vec![vec![answer.text]],
            filtered_resps: vec![scored],
            observed: object([
                ("finish_reason", json!(answer.finish_reason)),
                ("tokens", answer.tokens.into()),
            ]),
        }
    }
}

impl Task for Generation {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn language(&self) -> Language {
        self.language
    }

    fn configuration(&self) -> Value {
        let metrics = self
            .metrics
            .iter()
            .map(|(_, metric)| metric.signature(1).to_string());
        let solved = self
            .solved
            .iter()
            .map(|one| (&one.prompt, one.references.first()));
        let mut configuration = self.configuration.clone();
        configuration.extend(object([
            ("language", self.language.code().into()),
            ("answer_part", json!(self.part)),
            ("max_new_tokens", json!(self.budget)),
            ("metrics", json!(metrics.collect::<Vec<_>>())),
            ("solved", json!(solved.collect::<Vec<_>>())),
        ]));
        Value::Object(configuration)
    }

    fn len(&self) -> usize {
        self.questions.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        let question = &self.questions[index];
        let mut doc = question.doc.clone();
        if question.references.len() > 1 {
            doc.insert("references".to_owned(), json!(question.references));
        }
        (
            doc,
            question.references.first().cloned().unwrap_or_default(),
        )
    }

    fn measures(&self) -> Vec<Measure> {
        let share = |key: &str, name: &str| Measure {
            key: key.to_owned(),
            name: name.to_owned(),
            signature: Signature::without_references()
                .with("impl", IMPLEMENTATION)
                .to_string(),
            aggregate: Aggregate::Ratio { scale: 1.0 },
            higher_is_better: Some(false),
            unit: SHARE.to_owned(),
        };
        let metrics = self.metrics.iter().map(|(key, metric)| Measure {
            key: (*key).to_owned(),
            name: metric.name(),
            signature: metric.signature(1).to_string(),
            aggregate: metric.aggregate(),
            higher_is_better: Some(metric.higher_is_better()),
            unit: String::new(),
        });
        let shares = [share(CUT, "answers cut off"), share(EMPTY, "empty answers")];
        metrics.chain(shares).collect()
    }

    fn presentation(&self) -> Presentation {
        self.presentation.clone()
    }

    fn shots(&self) -> u32 {
        self.solved.len() as u32
    }

    fn direction(&self) -> Option<Direction> {
        let to = self.language;
        self.translated_from.map(|from| Direction { from, to })
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let questions = &self.questions[range.clone()];
        let requests: Vec<Request> = questions.iter().map(|one| self.request(one)).collect();
        let answers = subject.answer(&requests)?;
        Ok(range
            .zip(answers)
            .map(|(index, answer)| self.sample(index, answer))
            .collect())
    }
}
