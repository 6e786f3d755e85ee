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

    /// The request for a sentence: solved examples, then the sentence in the same form. A base model,
    /// which does not end an answer, goes on with an example of its own: there it is stopped.
    fn request(&self, sentence: &str, from: Language, to: Language) -> Request {
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
        let stop = (!question.is_empty()).then(|| template::translation("", from, to));
        question.push_str(&template::translation(sentence, from, to));
        let mut request = Request::question(question);
        request.stop.extend(stop);
        request
    }
}

/// The translation in an answer: its first line. A sentence needs only one; chat models add remarks
/// after it, and base models write until they are cut off. A line that was cut off itself is none.
fn translation(answer: &Answer) -> &str {
    let complete = match answer.finish_reason {
        FinishReason::Stop => answer.text.as_str(),
        FinishReason::Length => answer.text.rsplit_once('\n').map_or("", |(lines, _)| lines),
        FinishReason::Filtered | FinishReason::Failed => "",
    };
    let mut lines = complete.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
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
            parameters: format!("{} template=mt line=first{examples}", llm.parameters),
            ..llm
        }
    }

    /// An answer without a complete line, truncated or refused, counts as an empty translation.
    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let questions: Vec<Request> = sentences
            .iter()
            .map(|sentence| self.request(sentence, from, to))
            .collect();
        let attempts = self.llm.attempt(&questions);
        if let Some(error) = attempts.stopped {
            return Err(error);
        }
        let answers = attempts.results.into_iter().flatten();
        Ok(answers
            .map(|answer| {
                answer.map_or_else(|_| String::new(), |answer| translation(&answer).into())
            })
            .collect())
    }
}
