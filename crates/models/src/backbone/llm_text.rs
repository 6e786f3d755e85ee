//! Inputs of an LLM that is used as an encoder: plain text, with the tokens that its tokenizer puts
//! before a text. No end token, no chat template, no instruction.

use crate::text_input::{
    EncodedText, LocatedText, OffsetTokens, TextInput, TextInputError, encode_choices,
    longest_first,
};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// A tokenizer of an LLM for the inputs of a classifier.
#[derive(Debug, Clone)]
pub struct LlmText {
    tokenizer: Tokenizer,
}

impl LlmText {
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self { tokenizer }
    }

    /// A text: `<bos> text`. A pair: `<bos> first <bos> second`. Tokenizers that put nothing before
    /// a text have the BOS token between the two texts only, if they have one.
    pub fn encode(
        &self,
        input: &TextInput<'_>,
        limit: usize,
    ) -> Result<EncodedText, TextInputError> {
        let sequences = match *input {
            TextInput::Single(text) => vec![self.sequence(text)?],
            TextInput::Pair(first, second) => {
                let mut second = self.sequence(second)?;
                if second.before.is_empty() {
                    second.before.extend(self.tokenizer.bos_id());
                }
                vec![self.sequence(first)?, second]
            }
            TextInput::Choices {
                passage,
                question,
                choices,
            } => {
                return encode_choices(passage, question, choices, limit, |text| {
                    Ok(self.with_offsets(text)?)
                });
            }
        };
        let added: usize = sequences.iter().map(|part| part.before.len()).sum();
        let room = limit.saturating_sub(added);
        let length = |index: usize| sequences.get(index).map_or(0, |part| part.text.len());
        let lengths = [length(0), length(1)];
        let kept = longest_first(lengths, room);
        let mut ids = Vec::with_capacity(added + kept[0] + kept[1]);
        for (part, kept) in sequences.into_iter().zip(kept) {
            ids.extend(part.before);
            ids.extend(&part.text[..kept]);
        }
        if ids.is_empty() {
            ids.push(self.placeholder());
        }
        let types = vec![0; ids.len()];
        Ok(EncodedText::whole(ids, types, kept != lengths))
    }

    /// [`LlmText::encode`] of a text, with the bytes and the word of each token.
    pub fn locate(&self, text: &str, limit: usize) -> Result<LocatedText, TextInputError> {
        let encoded = self.encode(&TextInput::Single(text), limit)?;
        let tokens = self.with_offsets(text)?;
        let words = self.tokenizer.word_numbers(text)?;
        // Where the two ways to encode a text differ, nothing is known about a token.
        let known = |token: usize| tokens.ids.get(token) == encoded.ids.get(token);
        let located = (0..encoded.tokens()).map(|token| match known(token) {
            true => (tokens.offsets[token].clone(), words[token]),
            false => (0..0, None),
        });
        let (bytes, words) = located.unzip();
        Ok(LocatedText {
            encoded,
            bytes,
            words,
        })
    }

    /// What stands for an empty text of a tokenizer that puts nothing before it.
    fn placeholder(&self) -> u32 {
        let tokenizer = &self.tokenizer;
        tokenizer.bos_id().or(tokenizer.eos_id()).unwrap_or(0)
    }

    fn sequence(&self, text: &str) -> Result<Sequence, TokenizerError> {
        let tokenizer = &self.tokenizer;
        let mut before = tokenizer.encode_plain("")?;
        // Tokenizers that also put an end token after a text: MT-LLM reads none.
        if before.len() > 1 || tokenizer.bos_id() != tokenizer.eos_id() {
            before.pop_if(|last| Some(*last) == tokenizer.eos_id());
        }
        let text = tokenizer.encode_text(text)?;
        Ok(Sequence { before, text })
    }

    /// The tokens of a text as [`LlmText::encode`] gives them, with their bytes.
    fn with_offsets(&self, text: &str) -> Result<OffsetTokens, TokenizerError> {
        let (mut ids, mut offsets) = self.tokenizer.encode_with_offsets(text)?;
        let ends = (offsets.last()).is_some_and(|bytes| bytes.is_empty())
            && ids.last().copied() == self.tokenizer.eos_id();
        if ends && ids.len() > 1 {
            ids.pop();
            offsets.pop();
        }
        Ok(OffsetTokens {
            types: vec![0; ids.len()],
            ids,
            offsets,
        })
    }
}

/// A text as ids.
struct Sequence {
    /// The tokens before it.
    before: Vec<u32>,
    /// Its own.
    text: Vec<u32>,
}
