//! What a classifier reads: a text, a pair of texts, or a question with choices; as token ids, with
//! the tokens that each pooled state is the mean of.
//!
//! The layout of choices is that of MT-LLM (arXiv 2406.12739; reference: `preprocess_multiple_choice`
//! of its code): one sequence holds the passage, the question and all choices.

mod choices;
mod passes;

use std::ops::Range;

use crate::m2m100::TranslationTokenizerError;
use crate::tokenizer::TokenizerError;

pub use choices::{ChoiceText, OffsetTokens, choice_spans, encode_choices};
pub use passes::passes;

/// An input of a classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TextInput<'a> {
    /// One text.
    Single(&'a str),
    /// Two texts, e.g. a premise and a hypothesis.
    Pair(&'a str, &'a str),
    /// A question about a passage with possible answers; each answer gets a state of its own.
    Choices {
        /// The passage.
        passage: &'a str,
        /// The question.
        question: &'a str,
        /// The possible answers, at least one.
        choices: &'a [String],
    },
}

/// An input as token ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedText {
    /// Token ids, with special tokens; at least one.
    pub ids: Vec<u32>,
    /// The type of each token; all 0 unless the model distinguishes the texts of a pair.
    pub types: Vec<u32>,
    /// For each pooled state, the indexes of the tokens it is taken from: one list with all tokens
    /// for a text or pair, one list per choice for choices. No list is empty.
    pub spans: Vec<Vec<u32>>,
    /// Whether tokens were dropped to keep the maximum length.
    pub truncated: bool,
    /// The language whose shift the encoder's states get, by its FLORES-200 code; see
    /// [`LanguageShifts`](crate::LanguageShifts).
    pub shift: Option<String>,
}

/// A text as token ids, with the part of it that each token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocatedText {
    /// The ids.
    pub encoded: EncodedText,
    /// The bytes of each token; empty for a special token.
    pub bytes: Vec<Range<usize>>,
    /// The number of the word that each token belongs to, as an LLM's tokenizer splits a text
    /// before it looks for tokens; `None` for a special token. Empty for an encoder.
    pub words: Vec<Option<u32>>,
}

impl EncodedText {
    /// A sequence that is pooled as a whole.
    pub fn whole(ids: Vec<u32>, types: Vec<u32>, truncated: bool) -> Self {
        let spans = vec![(0..ids.len() as u32).collect()];
        Self {
            ids,
            types,
            spans,
            truncated,
            shift: None,
        }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }
}

/// Error returned when an input cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum TextInputError {
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The language.
    #[error(transparent)]
    Language(#[from] TranslationTokenizerError),
    /// The model marks the language of a text, and none was given.
    #[error(
        "{0}: the model marks the language of a text; name it by its FLORES-200 code, e.g. eng_Latn"
    )]
    NoLanguage(String),
    /// The choices leave no room.
    #[error(
        "the choices alone have {tokens} tokens, but the maximum length is {limit}; shorten the \
         choices or raise the maximum length"
    )]
    LongChoices {
        /// Tokens of the choices and special tokens.
        tokens: usize,
        /// The maximum length.
        limit: usize,
    },
    /// There are no choices.
    #[error("a question has no choices; give at least one")]
    NoChoices,
    /// The tokenizer finds no token in a choice.
    #[error("choice {number} ({text:?}) has no tokens of its own in this tokenizer")]
    EmptyChoice {
        /// Its number, from 1.
        number: usize,
        /// Its text.
        text: String,
    },
}

impl TextInputError {
    /// Whether it is the fault of this text alone, so that others can be read.
    pub fn is_of_one_text(&self) -> bool {
        matches!(
            self,
            Self::LongChoices { .. } | Self::NoChoices | Self::EmptyChoice { .. }
        )
    }
}

/// The lengths of two sequences after `longest_first` truncation to `limit` tokens together: tokens
/// are dropped from the end of the longer one until both have the same length. Reference:
/// `truncate_encodings` of Hugging Face `tokenizers`.
pub fn longest_first([first, second]: [usize; 2], limit: usize) -> [usize; 2] {
    if first + second <= limit {
        return [first, second];
    }
    let (short, long) = (first.min(second), first.max(second));
    let kept_long = if short > limit {
        short
    } else {
        short.max(limit - short)
    };
    let (short, long) = match short + kept_long > limit {
        true => (limit / 2, limit / 2 + limit % 2),
        false => (short, kept_long.min(long)),
    };
    if first > second {
        [long, short]
    } else {
        [short, long]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_loses_tokens_first() {
        assert_eq!(longest_first([3, 4], 7), [3, 4]);
        assert_eq!(longest_first([3, 9], 7), [3, 4]);
        assert_eq!(longest_first([9, 3], 7), [4, 3]);
        assert_eq!(longest_first([9, 9], 7), [3, 4]);
        assert_eq!(longest_first([12, 9], 7), [4, 3]);
        assert_eq!(longest_first([9, 0], 7), [7, 0]);
        assert_eq!(longest_first([9, 9], 0), [0, 0]);
    }
}
