//! Examples as token ids, with the boundary between what is given and what is learnt.
//!
//! The prompt is tokenised as at inference, the answer after it; the answer ends with the token
//! that ends the turn, which is learnt like the rest of it.

use corpus::record::{Example, Subset};
use models::LanguageModel;
use models::chat_template::{AnswerFrame, ChatTemplate, ChatTemplateError, Message};
use models::tokenizer::Tokenizer;
use rayon::prelude::*;

use crate::config::{ExcessLength, TrainConfig};
use crate::objective::rebalance;

/// One example as token ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Identifier of the example.
    pub id: String,
    /// Its subset of the transfer set.
    pub subset: Subset,
    /// Prompt, answer and end-of-turn.
    pub ids: Vec<u32>,
    /// Where the answer begins in `ids`; everything from there on is supervised. At least 1.
    pub answer_start: usize,
    /// Weight of the example in the objective.
    pub weight: f64,
}

impl Encoded {
    /// Tokens that are learnt: the answer's, and its end-of-turn.
    pub fn answer_tokens(&self) -> usize {
        self.ids.len() - self.answer_start
    }

    /// Tokens that go through the model: all but the last, which is only predicted.
    pub fn input_tokens(&self) -> usize {
        self.ids.len() - 1
    }
}

/// Why examples could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The model is a base model without a chat template.
    #[error(
        "{model} has no chat template, so there is no form in which it could be asked and \
         answer; use the instruction-tuned version of the model, or put a chat_template.jinja \
         beside it"
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
        /// What went wrong.
        source: ChatTemplateError,
    },
    /// The template failed as such.
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
        /// Its tokens.
        tokens: usize,
        /// The limit.
        max_length: usize,
    },
    /// Nothing is left to train on.
    #[error(
        "no training example is left of {given}: {dropped} are longer than train.max_length = \
         {max_length}"
    )]
    Empty {
        /// Examples given.
        given: usize,
        /// Examples dropped.
        dropped: usize,
        /// The limit.
        max_length: usize,
    },
}

/// A set of examples as token ids.
#[derive(Debug, Clone, Default)]
pub struct EncodedSet {
    /// The examples that fit, in the order given, with weights that keep each subset's share.
    pub examples: Vec<Encoded>,
    /// Identifiers of the examples that were too long.
    pub dropped: Vec<String>,
    /// Identifiers of the examples whose answers were cut, and with them their end-of-turn.
    pub truncated: Vec<String>,
}

/// What became of one example.
enum Fit {
    Whole(Encoded),
    Truncated(Encoded),
    Dropped(String),
}

/// Encodes examples for one model.
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    template: &'a ChatTemplate,
    /// What stands around every answer: all examples are one question and its answer.
    frame: AnswerFrame,
    max_length: usize,
    excess_length: ExcessLength,
}

impl<'a> Encoder<'a> {
    /// An encoder for `model` with the length limit of `config`.
    pub fn new(model: &'a LanguageModel, config: &TrainConfig) -> Result<Self, EncodeError> {
        let template = model
            .chat_template
            .as_ref()
            .ok_or_else(|| EncodeError::NoChatTemplate {
                model: model.identity.path.display().to_string(),
            })?;
        let frame = template.answer_frame(&model.tokenizer, &[Message::user("?")])?;
        Ok(Self {
            tokenizer: &model.tokenizer,
            template,
            frame,
            max_length: config.max_length,
            excess_length: config.excess_length,
        })
    }

    /// What the template writes around an answer.
    pub fn answer_frame(&self) -> &AnswerFrame {
        &self.frame
    }

    /// Encodes all examples, on all cores.
    pub fn encode(&self, examples: &[Example]) -> Result<EncodedSet, EncodeError> {
        let fits: Vec<Fit> = examples
            .par_iter()
            .map(|example| self.fit(example))
            .collect::<Result<_, _>>()?;
        let weights: Vec<_> = examples.iter().map(|e| (e.subset, e.weight)).collect();
        let kept: Vec<bool> = fits
            .iter()
            .map(|fit| !matches!(fit, Fit::Dropped(_)))
            .collect();
        let mut set = EncodedSet::default();
        for fit in fits {
            match fit {
                Fit::Whole(example) => set.examples.push(example),
                Fit::Truncated(example) => {
                    set.truncated.push(example.id.clone());
                    set.examples.push(example);
                }
                Fit::Dropped(id) => set.dropped.push(id),
            }
        }
        if !set.dropped.is_empty() {
            let rebalanced = rebalance(&weights, &kept);
            for (example, weight) in set.examples.iter_mut().zip(rebalanced) {
                example.weight = weight;
            }
        }
        Ok(set)
    }

    /// Encodes one example, whatever its length.
    pub fn encode_one(&self, example: &Example) -> Result<Encoded, EncodeError> {
        let messages = [Message::user(&example.question)];
        let parts = self
            .template
            .prompt_and_framed_answer(self.tokenizer, &self.frame, &messages, &example.answer)
            .map_err(|source| EncodeError::Example {
                id: example.id.clone(),
                source,
            })?;
        let answer_start = parts.prompt.len();
        let mut ids = parts.prompt;
        ids.extend(parts.answer);
        Ok(Encoded {
            id: example.id.clone(),
            subset: example.subset,
            ids,
            answer_start,
            weight: example.weight,
        })
    }

    fn fit(&self, example: &Example) -> Result<Fit, EncodeError> {
        let mut encoded = self.encode_one(example)?;
        let tokens = encoded.ids.len();
        let learnable = (1..tokens).contains(&encoded.answer_start);
        if learnable && tokens <= self.max_length {
            return Ok(Fit::Whole(encoded));
        }
        match self.excess_length {
            ExcessLength::Raise if learnable => Err(EncodeError::TooLong {
                id: encoded.id,
                tokens,
                max_length: self.max_length,
            }),
            ExcessLength::Truncate if learnable && encoded.answer_start < self.max_length => {
                encoded.ids.truncate(self.max_length);
                Ok(Fit::Truncated(encoded))
            }
            _ => Ok(Fit::Dropped(encoded.id)),
        }
    }
}
