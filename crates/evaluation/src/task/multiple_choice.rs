//! Multiple choice: the most probable choice, or the one that the model names.
//!
//! By log-likelihood, the prediction is the continuation with the highest log-probability, with
//! lm-evaluation-harness' conventions: a blank line separates solved examples and the question, a
//! space precedes each choice, `acc_norm` divides by the number of characters of the choice, and
//! the first of equals wins. By generation, the model is prompted with its chat template, and the
//! label is read from its answer.

use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{EngineError, FinishReason, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{IMPLEMENTATION, Measure, Presentation, SHARE, Sample, Subject, Task, object};
use crate::metric::accuracy::Accuracy;
use crate::metric::macro_f1::MacroF1;
use crate::metric::{Aggregate, Signature};

/// Maximum number of tokens of a generated answer: room for `The correct answer is (B).`
const BUDGET: usize = 16;

/// The way predictions are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// The continuation with the highest log-probability.
    #[default]
    LogLikelihood,
    /// The label in the model's answer.
    Generation,
}

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The document in the samples.
    pub doc: Map<String, Value>,
    /// The context of the choices, or the user's question.
    pub prompt: String,
    /// The choices, without the space before them; their labels, if answers are generated.
    pub choices: Vec<String>,
    /// Index of the correct choice.
    pub correct: usize,
}

/// Questions with the same labels.
#[derive(Debug)]
pub struct MultipleChoice {
    /// Name in `results.json`.
    pub name: String,
    /// Raised with every change of prompt or scoring.
    pub version: u32,
    /// Language of the questions.
    pub language: Language,
    /// Names of the choices, e.g. `A`.
    pub labels: Vec<String>,
    /// The way predictions are made.
    pub scoring: Scoring,
    /// Whether choices differ in length, so that `acc_norm` differs from `acc`.
    pub normalised: bool,
    /// Whether the labels are classes, so that macro-F1 makes sense.
    pub classes: bool,
    /// Solved examples shown before each question.
    pub solved: Vec<Item>,
    /// The questions.
    pub items: Vec<Item>,
    /// Its presentation in a report.
    pub presentation: Presentation,
}

impl MultipleChoice {
    fn request(&self, item: &Item) -> Request {
        if self.scoring == Scoring::Generation {
            let solved = self.solved.iter().map(|solved| {
                let label = &self.labels[solved.correct];
                (solved.prompt.clone(), label.clone())
            });
            return Request::few_shot(solved, &item.prompt).with_budget(BUDGET);
        }
        let mut context = String::new();
        for solved in &self.solved {
            let answer = &solved.choices[solved.correct];
            let space = if solved.prompt.is_empty() { "" } else { " " };
            context += &format!("{}{space}{answer}\n\n", solved.prompt);
        }
        context += &item.prompt;
        let choices = item.choices.iter().map(|choice| format!(" {choice}"));
        Request::text(context).with_continuations(choices)
    }

    /// The prediction by log-likelihood, and the log-likelihoods.
    fn most_probable(&self, item: &Item, scores: &[f64]) -> (Prediction, Map<String, Value>) {
        let characters = |choice: &String| choice.chars().count().max(1) as f64;
        let per_character = scores.iter().zip(&item.choices);
        let per_character = per_character.map(|(score, choice)| score / characters(choice));
        let prediction = Prediction {
            choice: Some(first_largest(scores.iter().copied())),
            normalised: Some(first_largest(per_character)),
        };
        (prediction, object([("log_likelihoods", json!(scores))]))
    }

    /// The first label that is a word of its own in `answer`, e.g. in `(B)` or `The answer is B.`
    fn named(&self, answer: &str) -> Option<usize> {
        let words = answer.split(|character: char| !character.is_alphanumeric());
        let label = |word: &str| self.labels.iter().position(|label| label == word);
        words.filter(|word| !word.is_empty()).find_map(label)
    }

    fn sample(&self, index: usize, predicted: &Prediction) -> Sample {
        let (doc, target) = self.document(index);
        let correct = self.items[index].correct;
        let hit = |choice: Option<usize>| Accuracy::counts(choice == Some(correct));
        let mut statistics = vec![("acc", hit(predicted.choice))];
        if self.scoring == Scoring::Generation {
            let unanswered = f64::from(predicted.choice.is_none());
            statistics.push(("unanswered", vec![unanswered, 1.0]));
        } else if self.normalised {
            statistics.push(("acc_norm", hit(predicted.normalised)));
        }
        if self.classes {
            let counts = MacroF1::counts(self.labels.len(), predicted.choice, correct);
            statistics.push(("f1", counts));
        }
        let label = predicted.choice.map(|choice| self.labels[choice].clone());
        Sample {
            doc_id: index,
            doc,
            target,
            resps: Vec::new(),
            filtered_resps: vec![label.unwrap_or_default()],
            statistics: statistics
                .into_iter()
                .map(|(key, counts)| (key.to_owned(), counts))
                .collect(),
            observed: Map::new(),
        }
    }
}

/// Index of the predicted choice by each measure; `None` if an answer names none.
struct Prediction {
    choice: Option<usize>,
    normalised: Option<usize>,
}

fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let larger = |best: (usize, f64), other: (usize, f64)| match other.1 > best.1 {
        true => other,
        false => best,
    };
    values
        .enumerate()
        .reduce(larger)
        .map_or(0, |(index, _)| index)
}

impl Task for MultipleChoice {
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
        json!({
            "language": self.language.code(),
            "scoring": self.scoring,
            "solved": self.solved.iter().map(|item| [&item.prompt, &item.choices[item.correct]]).collect::<Vec<_>>(),
        })
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        let item = &self.items[index];
        let mut doc = item.doc.clone();
        doc.insert("prompt".to_owned(), item.prompt.as_str().into());
        doc.insert("choices".to_owned(), json!(item.choices));
        (doc, self.labels[item.correct].clone())
    }

    fn measures(&self) -> Vec<Measure> {
        let signature = Signature::without_references()
            .with("scoring", json!(self.scoring).as_str().unwrap_or_default())
            .with("shots", self.solved.len())
            .with("impl", IMPLEMENTATION)
            .to_string();
        let measure = |key: &str, name: &str, aggregate, higher| Measure {
            key: key.to_owned(),
            name: name.to_owned(),
            signature: signature.clone(),
            aggregate,
            higher_is_better: Some(higher),
            unit: SHARE.to_owned(),
        };
        let share = || Aggregate::Ratio { scale: 1.0 };
        let mut measures = vec![measure("acc", "accuracy", share(), true)];
        if self.scoring == Scoring::Generation {
            measures.push(measure(
                "unanswered",
                "answers without a choice",
                share(),
                false,
            ));
        } else if self.normalised {
            let name = "accuracy, by log-probability per character";
            measures.push(measure("acc_norm", name, share(), true));
        }
        if self.classes {
            measures.push(measure("f1", "macro-F1", Aggregate::MacroF1, true));
        }
        measures
    }

    fn presentation(&self) -> Presentation {
        self.presentation.clone()
    }

    fn shots(&self) -> u32 {
        self.solved.len() as u32
    }

    fn needs_scorer(&self) -> bool {
        self.scoring == Scoring::LogLikelihood
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let items = &self.items[range.clone()];
        let requests: Vec<Request> = items.iter().map(|item| self.request(item)).collect();
        if self.scoring == Scoring::LogLikelihood {
            let scores = subject.score(&requests)?;
            let samples = range.zip(scores).map(|(index, scores)| {
                let scores: Vec<f64> = scores.iter().map(|score| score.sum()).collect();
                let (predicted, observed) = self.most_probable(&self.items[index], &scores);
                Sample {
                    observed,
                    ..self.sample(index, &predicted)
                }
            });
            return Ok(samples.collect());
        }
        let answers = subject.answer(&requests)?;
        let samples = range.zip(answers).map(|(index, answer)| {
            let choice = self.named(&answer.text);
            let predicted = Prediction {
                choice,
                normalised: None,
            };
            let reason: FinishReason = answer.finish_reason;
            Sample {
                observed: object([
                    ("finish_reason", json!(reason)),
                    ("tokens", answer.tokens.into()),
                ]),
                resps: vec![vec![answer.text]],
                ..self.sample(index, &predicted)
            }
        });
        Ok(samples.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(scoring: Scoring) -> MultipleChoice {
        let item = |prompt: &str, correct| Item {
            doc: Map::new(),
            prompt: prompt.to_owned(),
            choices: ["A", "B"].map(str::to_owned).into(),
            correct,
        };
        MultipleChoice {
            name: "letters".to_owned(),
            version: 1,
            language: Language::ENGLISH,
            labels: ["A", "B"].map(str::to_owned).into(),
            scoring,
            normalised: true,
            classes: false,
            solved: vec![item("First?", 1)],
            items: vec![item("Second?", 0)],
            presentation: Presentation::default(),
        }
    }

    #[test]
    fn solved_examples_come_before_the_question() {
        let task = letters(Scoring::LogLikelihood);
        let request = task.request(&task.items[0]);
        let expected = Request::text("First? B\n\nSecond?").with_continuations([" A", " B"]);
        assert_eq!(request, expected);
        let task = letters(Scoring::Generation);
        let solved = [("First?".to_owned(), "B".to_owned())];
        let expected = Request::few_shot(solved, "Second?").with_budget(BUDGET);
        assert_eq!(task.request(&task.items[0]), expected);
    }

    #[test]
    fn a_label_is_read_from_what_is_said() {
        let task = letters(Scoring::Generation);
        for (answer, expected) in [
            ("B", Some(1)),
            ("(A)", Some(0)),
            ("The correct answer is B.", Some(1)),
            ("B: because", Some(1)),
            ("Because of that", None),
            ("C", None),
            ("", None),
        ] {
            assert_eq!(task.named(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn the_first_of_equals_and_length_count_as_in_the_harness() {
        assert_eq!(first_largest([-2.0, -1.0, -1.0].into_iter()), 1);
        let mut task = letters(Scoring::LogLikelihood);
        task.items[0].choices = vec!["short".to_owned(), "a much longer choice".to_owned()];
        let (predicted, _) = task.most_probable(&task.items[0], &[-4.0, -5.0]);
        assert_eq!((predicted.choice, predicted.normalised), (Some(0), Some(1)));
    }
}
