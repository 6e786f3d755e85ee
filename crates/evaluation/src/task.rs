//! Tasks: each prompts a model and scores its output, document by document.
//!
//! A task computes additive statistics per document. Its measures are functions of their sums
//! ([`crate::metric`]), so every score has a confidence interval, and two models can be compared by
//! a paired test on the same documents.

mod copying;
pub mod generation;
pub mod held_out_loss;
pub mod multiple_choice;
pub mod off_target;
pub mod perplexity;
mod presentation;
pub mod translation;

use std::collections::BTreeMap;
use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{
    Answer, Answerer, EngineError, FinishReason, LanguageIdentifier, Request, TextScorer,
    TokenScores, TranslationMetric,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use copying::{overlap, repeats};
pub use presentation::{Averaged, Headline, Presentation, Series, Skill};

use crate::metric::{Aggregate, IMPLEMENTATION};

/// The LLM to evaluate, and the engines that judge its answers.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Answers requests.
    pub answerer: &'a dyn Answerer,
    /// Scores text; `None` for a server without log-probabilities, for which tasks that need them
    /// are left out.
    pub scorer: Option<&'a dyn TextScorer>,
    /// Identifies the language of answers.
    pub identifier: &'a dyn LanguageIdentifier,
    /// Scores its translations, once all tasks have been answered.
    pub metric: Option<&'a dyn TranslationMetric>,
}

impl Subject<'_> {
    /// One answer per request. Any other number is an error of the engine.
    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let answers = self.answerer.answer(requests)?;
        self.same_count("answers", answers.len(), requests.len())?;
        Ok(answers)
    }

    /// The scores of every continuation of every request.
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        let Some(scorer) = self.scorer else {
            let engine = self.answerer.identity().engine;
            return Err(EngineError::new(
                engine,
                "cannot score text; remove this task",
            ));
        };
        let scores = scorer.score(requests)?;
        let continuations = |request: &Request| request.continuations.len();
        self.same_count(
            "scores",
            scores.iter().map(Vec::len).sum(),
            requests.iter().map(continuations).sum(),
        )?;
        Ok(scores)
    }

    /// Sum of −ln p and number of tokens of the one continuation of every request.
    fn losses(&self, requests: &[Request]) -> Result<Vec<(f64, f64)>, EngineError> {
        let scores = self.score(requests)?.into_iter().flatten();
        let loss = |text: TokenScores| (-text.sum(), text.log_probabilities.len() as f64);
        Ok(scores.map(loss).collect())
    }

    fn same_count(&self, what: &str, got: usize, wanted: usize) -> Result<(), EngineError> {
        if got == wanted {
            return Ok(());
        }
        let engine = self.answerer.identity().engine;
        Err(EngineError::new(
            engine,
            format!("returned {got} {what} for {wanted} texts"),
        ))
    }
}

/// A measure of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Key in `results.json`, e.g. `chrf++`, and of the documents' statistics.
    pub key: String,
    /// Name in tables, e.g. `chrF2++`.
    pub name: String,
    /// Signature of the score.
    pub signature: String,
    /// Computes the score from summed statistics.
    pub aggregate: Aggregate,
    /// `None` if neither is better.
    pub higher_is_better: Option<bool>,
    /// Unit, e.g. `%`; empty for none. [`SHARE`] is shown in per cent.
    pub unit: String,
}

impl Measure {
    /// Whether scores of both measures can be compared: other tokenizers and learned metrics of other
    /// models have other scales. The release of xldistill makes no difference.
    pub(crate) fn is_comparable(&self, other: &Measure) -> bool {
        let parts = |measure: &Measure| -> Vec<String> {
            let parts = measure.signature.split('|').map(str::to_owned);
            parts.filter(|part| !part.starts_with("impl:")).collect()
        };
        self.key == other.key && parts(self) == parts(other)
    }
}

/// Unit of a share from 0 to 1, the form of accuracies in lm-evaluation-harness.
pub use artefacts::training::SHARE;

/// A document of a task with the model's output and its scores: a line of `samples_<task>.jsonl`,
/// with the keys of lm-eval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Position in the material, from 0.
    pub doc_id: usize,
    /// The document: `id` and prompt.
    pub doc: Map<String, Value>,
    /// The reference.
    pub target: String,
    /// The unchanged output of the model; empty if it only scored text.
    pub resps: Vec<Vec<String>>,
    /// The part of it that was scored.
    pub filtered_resps: Vec<String>,
    /// Statistics by measure.
    pub statistics: BTreeMap<String, Vec<f64>>,
    /// Other observations: verdict, language, finish reason.
    #[serde(default)]
    pub observed: Map<String, Value>,
}

impl Sample {
    /// The model's answer; `None` if the document has not exactly one.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let [answers] = &self.resps[..] else {
            return None;
        };
        let [text] = &answers[..] else { return None };
        Some(Answer {
            text: text.clone(),
            finish_reason: FinishReason::deserialize(self.observed.get("finish_reason")?).ok()?,
            tokens: self.observed.get("tokens")?.as_u64()? as usize,
        })
    }
}

/// The languages of translations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// The language of the sentences.
    pub from: Language,
    /// The language of their translations.
    pub to: Language,
}

/// Key of the sentence to be translated in the documents of tasks with a [`Direction`].
pub const SENTENCE: &str = "sentence";

/// A task that a model is evaluated on.
pub trait Task: Sync {
    /// Name in `results.json` and in the name of the samples' file.
    fn name(&self) -> String;
    /// Raised with every change of the code that changes results.
    fn version(&self) -> u32;
    /// The first version that asked the model the same as this one: outputs made since then can be
    /// scored again.
    fn asks_since_version(&self) -> u32 {
        self.version()
    }
    /// The language that is evaluated.
    fn language(&self) -> Language;
    /// Everything besides the model and the documents that affects the result, and the number of
    /// documents. These are hashed from [`Task::document`].
    fn configuration(&self) -> Value;
    /// The keys of the configuration that affect how answers are scored, not what is asked.
    fn scoring(&self) -> &'static [&'static str] {
        &[]
    }
    /// Number of documents.
    fn len(&self) -> usize;
    /// Whether there is no document.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The document and its reference, as in the samples.
    fn document(&self, index: usize) -> (Map<String, Value>, String);
    /// The measures of the task.
    fn measures(&self) -> Vec<Measure>;
    /// Its presentation in a report.
    fn presentation(&self) -> Presentation;
    /// Number of solved examples shown before each question.
    fn shots(&self) -> u32 {
        0
    }
    /// Whether the model must score text for it.
    fn needs_scorer(&self) -> bool {
        false
    }
    /// The languages if its answers are translations, which a learned metric can score, too.
    fn direction(&self) -> Option<Direction> {
        None
    }
    /// Whether it uses the language identifier.
    fn needs_identifier(&self) -> bool {
        false
    }
    /// Evaluates the documents of `range`.
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
