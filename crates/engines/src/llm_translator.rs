//! Translation by any LLM, asked in the words of the paper (Table 1, "mt"), with optional examples
//! from the parallel corpus. A base model, which cannot be asked, continues the examples.
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
    form: Form,
}

/// What the LLM reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// A question in the words of Table 1, with the examples in it.
    #[default]
    Question,
    /// Plain text: each sentence after the name of its language, the last one to be written. For
    /// base models, which follow examples rather than instructions.
    Text,
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
            form: Form::default(),
        }
    }

    /// Has the model read `form`.
    pub fn with_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Shows the model the examples of the direction of each request.
    pub fn with_examples(self, examples: Vec<TranslationExamples>) -> Self {
        Self { examples, ..self }
    }

    /// The examples of a direction.
    fn solved(&self, from: Language, to: Language) -> impl Iterator<Item = &(String, String)> {
        let examples = self.examples.iter();
        let examples = examples.filter(move |examples| (examples.from, examples.to) == (from, to));
        examples.flat_map(|examples| &examples.pairs)
    }

    /// The request for a sentence: solved examples, then the sentence in the same form.
    fn request(&self, sentence: &str, from: Language, to: Language) -> Request {
        let mut text = String::new();
        match self.form {
            Form::Question => {
                for (source, translation) in self.solved(from, to) {
                    text += &template::translation(source, from, to);
                    text += &format!("\n{translation}\n\n");
                }
                // A model that does not end its answer goes on with an example of its own.
                let stop = (!text.is_empty()).then(|| template::translation("", from, to));
                text += &template::translation(sentence, from, to);
                let mut request = Request::question(text);
                request.stop.extend(stop);
                request
            }
            Form::Text => {
                let [from_name, to_name] = [from, to].map(Language::everyday_name);
                for (source, translation) in self.solved(from, to) {
                    text += &format!("{from_name}: {source}\n{to_name}: {translation}\n\n");
                }
                text += &format!("{from_name}: {sentence}\n{to_name}:");
                let mut request = Request::text(text);
                request.stop.push("\n".to_owned());
                request
            }
        }
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
        let form = match self.form {
            Form::Question => "template=mt line=first",
            Form::Text => "template=text",
        };
        EngineIdentity {
            engine: format!("{}-translator", llm.engine),
            parameters: format!("{} {form}{examples}", llm.parameters),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it is asked, and goes on.
    struct Echo;

    impl Answerer for Echo {
        fn identity(&self) -> EngineIdentity {
            EngineIdentity {
                engine: "echo".into(),
                model: "m".into(),
                revision: String::new(),
                parameters: "x".into(),
                licence: None,
            }
        }

        fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
            let answers = requests.iter().map(|request| {
                assert_eq!(request.stop, ["\n"]);
                Answer {
                    text: request.last().replace('\n', "|"),
                    finish_reason: FinishReason::Stop,
                    tokens: 1,
                }
            });
            Ok(answers.collect())
        }
    }

    #[test]
    fn a_base_model_continues_the_examples() {
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        let pairs = vec![("Good morning.".to_owned(), "Bom dia.".to_owned())];
        let plain =
            LlmTranslator::new(Echo).with_examples(vec![TranslationExamples { from, to, pairs }]);
        let asked = plain.identity();
        let translator = plain.with_form(Form::Text);
        assert_ne!(translator.identity(), asked);
        let translated = translator.translate(&["Good night.".to_owned()], from, to);
        assert_eq!(
            translated.expect("an answer"),
            ["English: Good morning.|Portuguese: Bom dia.||English: Good night.|Portuguese:"]
        );
    }
}
