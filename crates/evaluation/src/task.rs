//! Tasks: each asks a model for something and scores what it gives, document by document.
//!
//! A task counts additive statistics per document; its measures are functions of their sums
//! ([`crate::metric`]), so that every number of an evaluation has an interval, and two models
//! are compared by a paired test on the same documents.

mod copying;
pub mod held_out_loss;
pub mod off_target;
pub mod perplexity;
pub mod translation;

use std::collections::BTreeMap;
use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{Answerer, EngineError, LanguageIdentifier, ScoredText, TextScorer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use copying::overlap;

use crate::metric::Aggregate;

/// What is evaluated, and what identifies the language of its answers.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The LLM as it answers.
    pub answerer: &'a dyn Answerer,
    /// The LLM as it scores text; `None` where it cannot (a server without log-probabilities):
    /// tasks that need it are then left out.
    pub scorer: Option<&'a dyn TextScorer>,
    /// What tells the language of an answer.
    pub identifier: &'a dyn LanguageIdentifier,
}

impl Subject<'_> {
    /// One answer a question, or an error of the engine that gave another number.
    fn answer(&self, questions: &[String]) -> Result<Vec<corpus::seam::Answer>, EngineError> {
        let answers = self.answerer.answer(questions)?;
        self.same_count("answers", answers.len(), questions.len())?;
        Ok(answers)
    }

    /// Sum of −ln p and number of tokens of every text.
    fn losses(&self, texts: &[ScoredText]) -> Result<Vec<(f64, f64)>, EngineError> {
        let Some(scorer) = self.scorer else {
            let engine = self.answerer.identity().engine;
            return Err(EngineError::new(
                engine,
                "cannot score text; leave this task out",
            ));
        };
        let scores = scorer.score(texts)?;
        self.same_count("scores", scores.len(), texts.len())?;
        Ok(scores
            .into_iter()
            .map(|text| {
                let log_probabilities = text.log_probabilities;
                let sum: f64 = log_probabilities
                    .iter()
                    .map(|&value| f64::from(value))
                    .sum();
                (-sum, log_probabilities.len() as f64)
            })
            .collect())
    }

    fn same_count(&self, what: &str, got: usize, wanted: usize) -> Result<(), EngineError> {
        if got == wanted {
            return Ok(());
        }
        let engine = self.answerer.identity().engine;
        Err(EngineError::new(
            engine,
            format!("gave {got} {what} for {wanted} texts"),
        ))
    }
}

/// One number that a task gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Key in `results.json`, e.g. `chrf++`, and of the documents' statistics.
    pub key: String,
    /// Name in tables, e.g. `chrF2++`.
    pub name: String,
    /// How the score is made.
    pub signature: String,
    /// How summed statistics become the score.
    pub aggregate: Aggregate,
    /// `None` where neither is better.
    pub higher_is_better: Option<bool>,
    /// Unit behind the number, e.g. `%`; empty for none.
    pub unit: String,
}

/// One document of a task and what came of it: a line of `samples_<task>.jsonl`, with the keys of
/// lm-eval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Position in the material, from 0.
    pub doc_id: usize,
    /// The document: `id` and what was asked.
    pub doc: Map<String, Value>,
    /// The reference.
    pub target: String,
    /// What the model said, unchanged; nothing where it only scored.
    pub resps: Vec<Vec<String>>,
    /// What was scored of it.
    pub filtered_resps: Vec<String>,
    /// Sufficient statistics per measure.
    pub statistics: BTreeMap<String, Vec<f64>>,
    /// What else was observed: verdict, language, finish reason.
    #[serde(default)]
    pub observed: Map<String, Value>,
}

/// One thing that a model is evaluated on.
pub trait Task: Sync {
    /// Name in `results.json` and of the samples' file.
    fn name(&self) -> String;
    /// Raised whenever the code changes in a way that changes results.
    fn version(&self) -> u32;
    /// The language in question.
    fn language(&self) -> Language;
    /// Everything besides the model that shapes the result, and the number of documents; the
    /// documents themselves are hashed from [`Task::document`].
    fn configuration(&self) -> Value;
    /// Number of documents.
    fn len(&self) -> usize;
    /// Whether there is no document.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A document as it stands in the samples.
    fn document(&self, index: usize) -> (Map<String, Value>, String);
    /// What the task measures.
    fn measures(&self) -> Vec<Measure>;
    /// Whether the model must score text for it.
    fn needs_scorer(&self) -> bool {
        false
    }
    /// Whether the language identifier takes part.
    fn needs_identifier(&self) -> bool {
        false
    }
    /// Asks the model about the documents of `range`.
    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError>;
    /// Counts for the report, e.g. of wrong languages.
    fn histogram(&self, _samples: &[Sample]) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// A JSON object of `pairs`.
fn object<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Version of this crate, for the signatures of measures that are our own.
const IMPLEMENTATION: &str = concat!("xldistill-", env!("CARGO_PKG_VERSION"));
