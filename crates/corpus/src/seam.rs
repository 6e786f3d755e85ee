//! The seams: what the stages ask of an engine, without knowing which engine answers.
//!
//! `engines` fills these traits; tests fill them with small deterministic stand-ins.

use serde::{Deserialize, Serialize};

use crate::language::Language;

/// What produced a row. Part of every row's hash and of every manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineIdentity {
    /// Engine name, e.g. `firefox`, `local-llm`.
    pub engine: String,
    /// Model name or path as the user wrote it.
    pub model: String,
    /// Content hash or repository revision of the model's files.
    pub revision: String,
    /// Every parameter that changes the output, e.g. `max_new_tokens=128 greedy`.
    pub parameters: String,
    /// Licence of the model where it is known, for the report.
    pub licence: Option<String>,
}

/// Why an engine could not do its work. Concerns the engine as a whole, never a single row.
#[derive(Debug, thiserror::Error)]
#[error("{engine}: {message}")]
pub struct EngineError {
    /// Engine name.
    pub engine: String,
    /// What went wrong and what to change.
    pub message: String,
}

impl EngineError {
    /// An error of `engine`; `message` says what went wrong and what to change.
    pub fn new(engine: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            engine: engine.into(),
            message: message.into(),
        }
    }
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model said its end-of-turn token.
    Stop,
    /// The token budget ran out.
    Length,
    /// A server's content filter cut the answer.
    Filtered,
}

/// One answer of an LLM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text, without special tokens.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Number of tokens generated, the end-of-turn token included.
    pub tokens: usize,
}

/// An LLM that answers questions as a chat assistant.
pub trait Answerer: Send + Sync {
    /// What answers.
    fn identity(&self) -> EngineIdentity;
    /// One answer per question, in order.
    fn answer(&self, questions: &[String]) -> Result<Vec<Answer>, EngineError>;
}

impl<T: Answerer + ?Sized> Answerer for Box<T> {
    fn identity(&self) -> EngineIdentity {
        (**self).identity()
    }

    fn answer(&self, questions: &[String]) -> Result<Vec<Answer>, EngineError> {
        (**self).answer(questions)
    }
}

/// One call of [`TextScorer::score`]: the log-probability of `continuation` after `context`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoredText {
    /// Plain text, scored from its first token on (after BOS where the tokenizer has one).
    Plain(String),
    /// An answer to a question, rendered with the chat template; only the answer and its
    /// end-of-turn token are scored.
    Chat {
        /// What the user says.
        question: String,
        /// What is scored.
        answer: String,
    },
}

/// Log-probabilities of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    /// Natural-log probability of every scored token, in order.
    pub log_probabilities: Vec<f32>,
}

/// An LLM that says how probable a text is.
pub trait TextScorer: Send + Sync {
    /// Scores every text, in order.
    fn score(&self, texts: &[ScoredText]) -> Result<Vec<TokenScores>, EngineError>;
}

/// A machine translation system T.
pub trait Translator: Send + Sync {
    /// What translates.
    fn identity(&self) -> EngineIdentity;
    /// Translates single sentences, in order. Splitting and protection happen before this call.
    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError>;
    /// Translates sentences whose first translation went round in circles: no run of
    /// `no_repeat_ngram_size` tokens is said twice. In order; `None` where the engine cannot do that.
    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let _ = (sentences, from, to, no_repeat_ngram_size);
        Ok(None)
    }
}

impl<T: Translator + ?Sized> Translator for Box<T> {
    fn identity(&self) -> EngineIdentity {
        (**self).identity()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        (**self).translate(sentences, from, to)
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        (**self).translate_again(sentences, from, to, no_repeat_ngram_size)
    }
}

impl<T: Translator + ?Sized> Translator for std::sync::Arc<T> {
    fn identity(&self) -> EngineIdentity {
        self.as_ref().identity()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.as_ref().translate(sentences, from, to)
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        self.as_ref()
            .translate_again(sentences, from, to, no_repeat_ngram_size)
    }
}

/// What a language identifier says of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Identification {
    /// Too short, numeric or name-only to tell.
    Abstained,
    /// The most probable language and its probability.
    Identified {
        /// The language.
        language: Language,
        /// Probability in [0, 1].
        probability: f64,
    },
}

/// A language identifier.
pub trait LanguageIdentifier: Send + Sync {
    /// What identifies.
    fn identity(&self) -> EngineIdentity;
    /// Whether the identifier can name `language`. Its word against a language that it does not
    /// know says nothing.
    fn knows(&self, language: Language) -> bool {
        let _ = language;
        true
    }
    /// The language of `text`, or an abstention.
    fn identify(&self, text: &str) -> Identification;
}

/// A reference-free estimate of translation quality.
pub trait QualityEstimator: Send + Sync {
    /// What estimates.
    fn identity(&self) -> EngineIdentity;
    /// One score per (source, translation) pair, in order, higher is better, 1.0 is best.
    fn estimate(
        &self,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError>;
}
