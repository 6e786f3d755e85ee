//! Examples as token ids, with the boundary between prompt and answer.
//!
//! The prompt is tokenised as at inference, followed by the answer. The answer ends with the
//! end-of-turn token, which is learnt like the rest.

use corpus::record::{Example, Subset};
use models::LanguageModel;
use models::chat_template::{
    AnswerFrame, ChatTemplate, ChatTemplateError, Message, PromptAndAnswer,
};
use models::tokenizer::Tokenizer;
use rayon::prelude::*;

use super::config::{ExcessLength, TrainConfig};

/// One example as token ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Identifier of the example.
    pub id: String,
    /// Its subset of the transfer set.
    pub subset: Subset,
    /// Prompt, answer and end-of-turn token.
    pub ids: Vec<u32>,
    /// Index in `ids` at which the answer begins; everything from there on is supervised. At least
    /// 1.
    pub answer_start: usize,
    /// The prompt with which a teacher is asked, if one teaches the example: the teacher's
    /// distributions over the answer's tokens follow from this prompt and the answer.
    pub teacher_prompt: Option<Vec<u32>>,
}

impl Encoded {
    /// Number of supervised tokens: the answer's, including the end-of-turn token.
    pub fn answer_tokens(&self) -> usize {
        self.ids.len() - self.answer_start
    }

    /// What the teacher reads: its own prompt and the same answer; `None` without a teacher.
    pub fn as_taught(&self) -> Option<Encoded> {
        let prompt = self.teacher_prompt.as_ref()?;
        Some(Encoded {
            id: self.id.clone(),
            subset: self.subset,
            ids: [prompt, &self.ids[self.answer_start..]].concat(),
            answer_start: prompt.len(),
            teacher_prompt: None,
        })
    }

    /// Number of tokens that go through the model: all but the last, which is only predicted.
    pub fn input_tokens(&self) -> usize {
        self.ids.len() - 1
    }
}

/// Error returned when examples cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The model is a base model without a chat template.
    #[error(
        "{model} has no chat template, so there is no form in which it could be asked and \
         answer; use the instruction-tuned version of the model, set template = \"alpaca\", or put a \
         chat_template.jinja beside it"
    )]
    NoChatTemplate {
        /// The model.
        model: String,
    },
    /// The template or the tokenizer failed on an example.
    #[error("example {id}: {source}")]
    Example {
        /// Identifier of the example.
        id: String,
        /// The problem.
        source: ChatTemplateError,
    },
    /// The template itself is invalid.
    #[error(transparent)]
    Template(#[from] ChatTemplateError),
    /// An example is longer than `max_length` and `excess_length` is `raise`.
    #[error(
        "example {id} has {tokens} tokens, more than train.max_length = {max_length}; raise \
         max_length, or set excess_length to \"drop\" or \"truncate\""
    )]
    TooLong {
        /// Identifier of the example.
        id: String,
        /// Number of its tokens.
        tokens: usize,
        /// The limit.
        max_length: usize,
    },
    /// No example is left to train on.
    #[error(
        "no training example is left of {given}: {dropped} are longer than train.max_length = \
         {max_length}"
    )]
    Empty {
        /// Number of examples given.
        given: usize,
        /// Number of examples dropped.
        dropped: usize,
        /// The limit.
        max_length: usize,
    },
}

/// A set of examples as token ids.
#[derive(Debug, Clone, Default)]
pub struct EncodedSet {
    /// The examples that fit, in the order given.
    pub examples: Vec<Encoded>,
    /// Identifiers of the examples that were too long.
    pub dropped: Vec<String>,
    /// Identifiers of the examples whose answers, and with them their end-of-turn tokens, were cut
    /// off.
    pub truncated: Vec<String>,
}

/// Result of encoding an example.
enum Fit {
    Whole(Encoded),
    Truncated(Encoded),
    Dropped(String),
}

/// Maximum number of tokens of an example: `config.max_length`, or what `model` has positions for.
pub fn max_length(model: &LanguageModel, config: &TrainConfig) -> usize {
    let longest = model.network.config().longest_sequence();
    longest.map_or(config.max_length, |longest| longest.min(config.max_length))
}

/// Examples that are encoded together, on one thread.
const EXAMPLES_PER_TASK: usize = 64;

/// Encodes examples for one model.
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    template: &'a ChatTemplate,
    /// The text around every answer: all examples are one question and its answer.
    frame: AnswerFrame,
    system: Option<String>,
    max_length: usize,
    excess_length: ExcessLength,
}

impl<'a> Encoder<'a> {
    /// An encoder for `model` with the length limit of `config`, or the model's if that is lower.
    pub fn new(model: &'a LanguageModel, config: &TrainConfig) -> Result<Self, EncodeError> {
        let template = model
            .chat_template
            .as_ref()
            .ok_or_else(|| EncodeError::NoChatTemplate {
                model: model.identity.path.display().to_string(),
            })?;
        let system = config.system.as_deref();
        let frame = template.answer_frame(&model.tokenizer, &conversation(system, "?"))?;
        Ok(Self {
            tokenizer: &model.tokenizer,
            template,
            frame,
            system: config.system.clone(),
            max_length: max_length(model, config),
            excess_length: config.excess_length,
        })
    }

    /// The text that the template writes around an answer.
    pub fn answer_frame(&self) -> &AnswerFrame {
        &self.frame
    }

    /// Encodes all examples, on all cores.
    pub fn encode(&self, examples: &[Example]) -> Result<EncodedSet, EncodeError> {
        let fits = examples
            .par_chunks(EXAMPLES_PER_TASK)
            .map(|examples| {
                let encoded = self.encode_all(examples)?.into_iter();
                encoded.map(|encoded| self.fit(encoded)).collect()
            })
            .collect::<Result<Vec<Vec<Fit>>, EncodeError>>()?;
        let mut set = EncodedSet::default();
        for fit in fits.into_iter().flatten() {
            match fit {
                Fit::Whole(example) => set.examples.push(example),
                Fit::Truncated(example) => {
                    set.truncated.push(example.id.clone());
                    set.examples.push(example);
                }
                Fit::Dropped(id) => set.dropped.push(id),
            }
        }
        Ok(set)
    }

    /// Encodes an example of any length.
    pub fn encode_one(&self, example: &Example) -> Result<Encoded, EncodeError> {
        let encoded = self.encode_all(std::slice::from_ref(example));
        encoded.map(|mut encoded| encoded.remove(0))
    }

    /// Encodes examples of any length.
    fn encode_all(&self, examples: &[Example]) -> Result<Vec<Encoded>, EncodeError> {
        let asked = |question: &String| conversation(self.system.as_deref(), question);
        let failed = |example: &Example, source| EncodeError::Example {
            id: example.id.clone(),
            source,
        };
        let (template, tokenizer) = (self.template, self.tokenizer);
        let questions: Vec<_> = examples.iter().map(|one| asked(&one.question)).collect();
        let conversations: Vec<_> = questions
            .iter()
            .zip(examples)
            .map(|(question, example)| (question.as_slice(), example.answer.as_str()))
            .collect();
        let pairs = template
            .prompts_and_framed_answers(tokenizer, &self.frame, &conversations)
            .map_err(|unrendered| failed(&examples[unrendered.index], unrendered.error))?;
        let (taught, questions): (Vec<_>, Vec<_>) = examples
            .iter()
            .filter_map(|example| Some((example, asked(example.teacher_question.as_ref()?))))
            .unzip();
        let questions: Vec<_> = questions.iter().map(Vec::as_slice).collect();
        let mut teacher_prompts = template
            .prompts(tokenizer, &questions)
            .map_err(|unrendered| failed(taught[unrendered.index], unrendered.error))?
            .into_iter();
        let encoded = examples.iter().zip(pairs).map(|(example, pair)| {
            let PromptAndAnswer { prompt, answer } = pair;
            let is_taught = example.teacher_question.is_some();
            Encoded {
                id: example.id.clone(),
                subset: example.subset,
                answer_start: prompt.len(),
                ids: [prompt, answer].concat(),
                teacher_prompt: is_taught.then(|| teacher_prompts.next()).flatten(),
            }
        });
        Ok(encoded.collect())
    }

    fn fit(&self, mut encoded: Encoded) -> Result<Fit, EncodeError> {
        let answer_start = encoded.answer_start;
        let learnable = (1..encoded.ids.len()).contains(&answer_start);
        // The teacher's prompt must leave the same room for the answer.
        let teacher = encoded.teacher_prompt.as_ref().map_or(0, Vec::len);
        let beyond = teacher.saturating_sub(answer_start);
        let tokens = encoded.ids.len() + beyond;
        if learnable && tokens <= self.max_length {
            return Ok(Fit::Whole(encoded));
        }
        match self.excess_length {
            ExcessLength::Raise if learnable => Err(EncodeError::TooLong {
                id: encoded.id,
                tokens,
                max_length: self.max_length,
            }),
            ExcessLength::Truncate if learnable && answer_start + beyond < self.max_length => {
                encoded.ids.truncate(self.max_length - beyond);
                Ok(Fit::Truncated(encoded))
            }
            _ => Ok(Fit::Dropped(encoded.id)),
        }
    }
}

/// A question after the system message.
fn conversation(system: Option<&str>, question: &str) -> Vec<Message> {
    let system = system.map(Message::system);
    system
        .into_iter()
        .chain([Message::user(question)])
        .collect()
}
