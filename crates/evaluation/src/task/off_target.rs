//! Off-target answers: questions in one language, answered in another.
//!
//! After the Language Confusion Benchmark (Marchisio et al. 2024), with two further verdicts: an
//! LLM that does not know a language repeats the question or loops, and does so in the right
//! language. Such answers are counted separately.

use std::collections::BTreeMap;
use std::ops::Range;

use corpus::language::Language;
use corpus::repetition;
use corpus::seam::{EngineError, Identification, LanguageIdentifier, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::copying::MOST;
use super::{
    Headline, IMPLEMENTATION, Measure, Presentation, Sample, Series, Subject, Task, object,
    overlap, repeats,
};
use crate::metric::{Aggregate, Signature};
use crate::rows::Question;

/// The verdict on an answer: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It has no letters or digits.
    Empty,
    /// It loops ([`repetition::looping`]).
    Looped,
    /// It copies the question.
    Copied,
    /// The identifier abstains: too short, a number, a name, only code.
    Abstained,
    /// It is in the language of the question.
    InLanguage,
    /// It is in another language.
    OffTarget,
}

impl Verdict {
    /// All verdicts with their key and name, in the order of a report.
    pub const ALL: [(Verdict, &str, &str); 6] = [
        (Verdict::InLanguage, "in_language", "in the language"),
        (Verdict::OffTarget, "off_target", "in another language"),
        (Verdict::Copied, "copied", "copying the question"),
        (Verdict::Looped, "looped", "looping"),
        (Verdict::Abstained, "abstained", "in no clear language"),
        (Verdict::Empty, "empty", "left empty"),
    ];
}

/// The language of answers to questions in one language.
#[derive(Debug)]
pub struct OffTarget<'a> {
    language: Language,
    questions: &'a [Question],
    copied_share: f64,
    identifier: String,
}

impl<'a> OffTarget<'a> {
    /// Questions in `language`. An answer that [`repeats`] the question to at least `copied_share` is a
    /// copy, unless the reference answer does so, too (the question asks to correct, complete or
    /// repeat a text).
    pub fn new(
        language: Language,
        questions: &'a [Question],
        copied_share: f64,
        identifier: &dyn LanguageIdentifier,
    ) -> Self {
        let identity = identifier.identity();
        let identifier = format!("{}@{}", identity.engine, identity.revision);
        Self {
            language,
            questions,
            copied_share,
            identifier,
        }
    }

    /// The verdict on an answer, and its language. An identifier that does not know the language of
    /// the question is ignored.
    pub fn judge(
        &self,
        question: &Question,
        answer: &str,
        identifier: &dyn LanguageIdentifier,
    ) -> (Verdict, Option<Language>) {
        if !answer.chars().any(char::is_alphanumeric) {
            return (Verdict::Empty, None);
        }
        let language = match identifier.identify(&prose(answer)) {
            Identification::Identified { language, .. } if identifier.knows(self.language) => {
                Some(language)
            }
            _ => None,
        };
        let copies = |text: &str| repeats(text, &question.question, self.copied_share);
        let verdict = if repetition::looping(answer).is_some() {
            Verdict::Looped
        } else if copies(answer) && !copies(&question.answer) {
            Verdict::Copied
        } else {
            match language {
                None => Verdict::Abstained,
                Some(language) if language == self.language => Verdict::InLanguage,
                Some(_) => Verdict::OffTarget,
            }
        };
        (verdict, language)
    }

    /// Number of lines in the language of the question, and of lines in any identified language.
    fn lines(&self, answer: &str, identifier: &dyn LanguageIdentifier) -> [f64; 2] {
        let prose = prose(answer);
        let mut counts = [0.0, 0.0];
        if !identifier.knows(self.language) {
            return counts;
        }
        for line in prose.lines().filter(|line| !line.trim().is_empty()) {
            if let Identification::Identified { language, .. } = identifier.identify(line) {
                counts[0] += f64::from(language == self.language);
                counts[1] += 1.0;
            }
        }
        counts
    }
}

/// The answer without fenced code, whose keywords are always English.
fn prose(answer: &str) -> String {
    answer
        .split("```")
        .step_by(2)
        .flat_map(str::lines)
        .collect::<Vec<_>>()
        .join("\n")
}

impl Task for OffTarget<'_> {
    fn name(&self) -> String {
        format!("off_target_{}", self.language.code())
    }

    fn version(&self) -> u32 {
        3
    }

    fn asks_since_version(&self) -> u32 {
        1
    }

    fn language(&self) -> Language {
        self.language
    }

    fn configuration(&self) -> Value {
        json!({ "language": self.language.code(), "copied_share": self.copied_share })
    }

    fn scoring(&self) -> &'static [&'static str] {
        &["copied_share"]
    }

    fn len(&self) -> usize {
        self.questions.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        let Question {
            id,
            question,
            answer,
        } = &self.questions[index];
        let doc = object([
            ("id", id.as_str().into()),
            ("question", question.as_str().into()),
        ]);
        (doc, answer.clone())
    }

    fn measures(&self) -> Vec<Measure> {
        let signature = Signature::without_references()
            .with("lid", &self.identifier)
            .with("copy", format!("{}/{}", self.copied_share, MOST))
            .with("impl", IMPLEMENTATION)
            .to_string();
        let measure = |key: &str, name: String, higher_is_better| Measure {
            key: key.to_owned(),
            name,
            signature: signature.clone(),
            aggregate: Aggregate::Ratio { scale: 100.0 },
            higher_is_better,
            unit: "%".to_owned(),
        };
        let answers = Verdict::ALL.into_iter().map(|(verdict, key, name)| {
            let higher_is_better = match verdict {
                Verdict::InLanguage => Some(true),
                Verdict::Abstained => None,
                _ => Some(false),
            };
            measure(key, format!("answers {name}"), higher_is_better)
        });
        let lines = measure(
            "line_in_language",
            "lines in the language".to_owned(),
            Some(true),
        );
        // The rate of the SDRRL paper (appendix E): copies and loops are not looked at.
        let plain = measure(
            "other_language",
            "answers identified as another language".to_owned(),
            Some(false),
        );
        answers.chain([lines, plain]).collect()
    }

    fn presentation(&self) -> Presentation {
        let language = self.language.everyday_name();
        let title = format!("Answers to {language} questions");
        Presentation {
            group: title.clone(),
            title,
            order: 100,
            headline: Some(Headline::new(
                "in_language",
                format!("{language} questions answered in {language}"),
            )),
            asked: Some("question".to_owned()),
            shares: Verdict::ALL.map(|(_, key, _)| key.to_owned()).into(),
            series: Some(Series::of(
                "Open questions",
                ["other_language", "in_language"],
            )),
            ..Presentation::default()
        }
    }

    fn needs_identifier(&self) -> bool {
        true
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let questions: Vec<Request> = self.questions[range.clone()]
            .iter()
            .map(|row| Request::question(&row.question))
            .collect();
        let answers = subject.answer(&questions)?;
        Ok(range
            .zip(answers)
            .map(|(index, answer)| {
                let question = &self.questions[index];
                let (verdict, language) = self.judge(question, &answer.text, subject.identifier);
                let mut statistics: BTreeMap<String, Vec<f64>> = Verdict::ALL
                    .into_iter()
                    .map(|(other, key, _)| (key.to_owned(), vec![f64::from(other == verdict), 1.0]))
                    .collect();
                let lines = self.lines(&answer.text, subject.identifier);
                statistics.insert("line_in_language".to_owned(), lines.to_vec());
                let other = language.is_some_and(|language| language != self.language);
                statistics.insert("other_language".to_owned(), vec![f64::from(other), 1.0]);
                let (doc, target) = self.document(index);
                Sample {
                    doc_id: index,
                    doc,
                    target,
                    filtered_resps: vec![answer.text.trim().to_owned()],
                    observed: object([
                        ("verdict", json!(verdict)),
                        ("language", json!(language)),
                        ("copied", json!(overlap(&answer.text, &question.question))),
                        ("finish_reason", json!(answer.finish_reason)),
                        ("tokens", answer.tokens.into()),
                    ]),
                    resps: vec![vec![answer.text]],
                    statistics,
                }
            })
            .collect())
    }

    /// Wrong languages of off-target answers, by code.
    fn histogram(&self, samples: &[Sample]) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for sample in samples {
            let verdict = sample.observed.get("verdict").and_then(Value::as_str);
            let language = sample.observed.get("language").and_then(Value::as_str);
            if let (Some("off_target"), Some(language)) = (verdict, language) {
                *counts.entry(language.to_owned()).or_default() += 1;
            }
        }
        counts
    }
}
