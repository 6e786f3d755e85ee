//! Translation by any LLM, prompted in the words of the paper (Table 1, "mt"), with optional
//! examples from the parallel corpus.
//!
//! With the LLM to be fine-tuned, this is the self-translation that the paper's Limitations
//! propose.

mod config;

use corpus::language::Language;
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Request, Translator,
};
use corpus::template;

pub use config::{LlmTranslatorConfig, OpenAiTranslatorConfig};

/// An LLM that translates.
pub struct LlmTranslator<A> {
    llm: A,
    examples: Vec<TranslationExamples>,
}

/// Solved examples of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslationExamples {
    /// Language of the first sentence of each pair.
    pub from: Language,
    /// Language of the second sentence.
    pub to: Language,
    /// Sentences and their translations.
    pub pairs: Vec<(String, String)>,
}

impl<A: Answerer> LlmTranslator<A> {
    /// A translator without examples.
    pub fn new(llm: A) -> Self {
        Self {
            llm,
            examples: Vec::new(),
        }
    }

    /// Shows the model the examples of the direction of each request.
    pub fn with_examples(self, examples: Vec<TranslationExamples>) -> Self {
        Self { examples, ..self }
    }

    /// The prompt for a sentence: solved examples, then the sentence in the same form.
    fn question(&self, sentence: &str, from: Language, to: Language) -> String {
        let mut question = String::new();
        let of_direction =
            |examples: &&TranslationExamples| (examples.from, examples.to) == (from, to);
        for examples in self.examples.iter().filter(of_direction) {
            for (source, translation) in &examples.pairs {
                question.push_str(&template::translation(source, from, to));
                question.push('\n');
                question.push_str(translation);
                question.push_str("\n\n");
            }
        }
        question.push_str(&template::translation(sentence, from, to));
        question
    }
}

/// The translation in an answer: its first line. A sentence needs only one, and models add remarks
/// after it.
fn translation(answer: &str) -> &str {
    let mut lines = answer
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines.next().unwrap_or_default()
}

impl<A: Answerer> Translator for LlmTranslator<A> {
    fn identity(&self) -> EngineIdentity {
        let llm = self.llm.identity();
        let mut hasher = blake3::Hasher::new();
        let mut shown = 0;
        for examples in &self.examples {
            shown += examples.pairs.len();
            for text in [examples.from.code(), examples.to.code()]
                .into_iter()
                .chain(
                    examples
                        .pairs
                        .iter()
                        .flat_map(|(s, t)| [s.as_str(), t.as_str()]),
                )
            {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        let examples = match shown {
            0 => String::new(),
            shown => format!(" examples={shown}:{}", &hasher.finalize().to_hex()[..16]),
        };
        EngineIdentity {
            engine: format!("{}-translator", llm.engine),
            parameters: format!("{} template=mt{examples}", llm.parameters),
            ..llm
        }
    }

    /// A truncated or refused answer counts as an empty translation.
    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let questions: Vec<Request> = sentences
            .iter()
            .map(|sentence| Request::question(self.question(sentence, from, to)))
            .collect();
        let attempts = self.llm.attempt(&questions);
        if let Some(error) = attempts.stopped {
            return Err(error);
        }
        let answers = attempts.results.into_iter().flatten();
        Ok(answers
            .map(|answer| match answer {
                Ok(Answer {
                    text,
                    finish_reason: FinishReason::Stop,
                    ..
                }) => translation(&text).to_owned(),
                _ => String::new(),
            })
            .collect())
    }
}
