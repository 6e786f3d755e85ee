//! The seams: what the stages ask of an engine, without knowing which engine answers.
//!
//! `engines` fills these traits; tests fill them with small deterministic stand-ins.

mod request;
mod text_classifier;
mod translation_metric;

use serde::{Deserialize, Serialize};

pub use artefacts::{EngineIdentity, EngineKey};
pub use request::{Prompt, Request, Speaker, Turn};
pub use text_classifier::TextClassifier;
pub use translation_metric::{ScoredTranslation, TranslationMetric};

use crate::language::Language;

/// Error returned when an engine cannot do its work. Concerns the engine as a whole, never a single row.
#[derive(Debug, thiserror::Error)]
#[error("{engine}: {message}")]
pub struct EngineError {
    /// Engine name.
    pub engine: String,
    /// The problem and the remedy.
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

/// The reason generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model said its end-of-turn token.
    Stop,
    /// The token budget ran out.
    Length,
    /// A server's content filter cut the answer.
    Filtered,
    /// The engine could not answer this request, and said why in its log; there is no text.
    Failed,
}

/// One answer of an LLM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text, without special tokens.
    pub text: String,
    /// The reason it ended.
    pub finish_reason: FinishReason,
    /// Number of tokens generated, the end-of-turn token included.
    pub tokens: usize,
}

/// What became of the requests of one call, if one of them may fail and the others are kept.
#[derive(Debug)]
pub struct Attempts {
    /// For each request, in order: its answer, the reason it has none, or `None` if the engine
    /// stopped before it came to that.
    pub results: Vec<Option<Result<Answer, String>>>,
    /// The reason the engine stopped.
    pub stopped: Option<EngineError>,
}

/// An LLM that answers.
pub trait Answerer: Send + Sync {
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// One answer per request, in order; their continuations are ignored.
    ///
    /// # Errors
    /// If the engine cannot do what a request asks for; then nothing was generated.
    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError>;
    /// As [`Answerer::answer`], but a request that fails alone keeps its reason, and an engine that
    /// stops hands over what it has.
    fn attempt(&self, requests: &[Request]) -> Attempts {
        let (results, stopped) = match self.answer(requests) {
            Ok(answers) => (answers.into_iter().map(|a| Some(Ok(a))).collect(), None),
            Err(error) => (requests.iter().map(|_| None).collect(), Some(error)),
        };
        Attempts { results, stopped }
    }
}

impl<T: Answerer + ?Sized> Answerer for Box<T> {
    fn identity(&self) -> EngineIdentity {
        (**self).identity()
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        (**self).answer(requests)
    }

    fn attempt(&self, requests: &[Request]) -> Attempts {
        (**self).attempt(requests)
    }
}

/// Log-probabilities of one continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    /// Natural-log probability of every scored token, in order.
    pub log_probabilities: Vec<f32>,
}

impl TokenScores {
    /// Natural-log probability of the whole continuation.
    pub fn sum(&self) -> f64 {
        self.log_probabilities.iter().copied().map(f64::from).sum()
    }
}

/// An LLM that says how probable a text is.
pub trait TextScorer: Send + Sync {
    /// Scores every continuation of every request, in order.
    ///
    /// After a conversation, a continuation is an answer, scored with its end-of-turn token. After
    /// plain text it is scored by its own tokens; with nothing before it, from its first token on
    /// (after BOS if the tokenizer has one).
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError>;
}

/// A machine translation system T.
pub trait Translator: Send + Sync {
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// Translates single sentences, in order. Splitting and protection happen before this call.
    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError>;
    /// Translates sentences whose first translation went round in circles: no run of
    /// `no_repeat_ngram_size` tokens is said twice. In order; `None` if the engine cannot do that.
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
    /// Those of `characters` that the translator can neither read nor write, so that words with
    /// them must not pass through it. None if the engine cannot tell.
    fn unknown_characters(
        &self,
        characters: &[char],
        from: Language,
        to: Language,
    ) -> Result<Vec<char>, EngineError> {
        let _ = (characters, from, to);
        Ok(Vec::new())
    }
}

/// A pointer to a translator is one.
macro_rules! translators {
    ($($pointer:ty),+) => {
        $(
            impl<T: Translator + ?Sized> Translator for $pointer {
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

                fn unknown_characters(
                    &self,
                    characters: &[char],
                    from: Language,
                    to: Language,
                ) -> Result<Vec<char>, EngineError> {
                    (**self).unknown_characters(characters, from, to)
                }
            }
        )+
    };
}

translators!(Box<T>, std::sync::Arc<T>);

/// The result of identifying the language of a text.
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
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// Whether the identifier can name `language`. Its word against a language that it does not
    /// know says nothing.
    fn knows(&self, language: Language) -> bool {
        let _ = language;
        true
    }
    /// The probability from which its word counts if the config names none.
    fn default_min_probability(&self) -> f64 {
        0.5
    }
    /// The language of `text`, or an abstention.
    fn identify(&self, text: &str) -> Identification;
}

/// A reference-free estimate of translation quality.
pub trait QualityEstimator: Send + Sync {
    /// The engine.
    fn identity(&self) -> EngineIdentity;
    /// The lowest score that passes if the config names none: that of the paper for CometKiwi and
    /// estimators on its scale.
    fn default_threshold(&self) -> f64 {
        0.8
    }
    /// One score per (source, translation) pair, in order, higher is better, 1.0 is best.
    fn estimate(
        &self,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError>;
}
