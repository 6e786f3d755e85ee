//! Text that comes from data. A control token's name typed in it (`</s>`, `<|im_end|>`) is text:
//! nobody but a chat template may end a turn or begin one. Encoders, NLLB and COMET read such names
//! as their references do ([`Tokenizer::lay_out`], [`Tokenizer::encode`]): they have no turns.

use std::ops::Range;

use tokenizers::tokenizer::pre_tokenizer::OffsetType;
use tokenizers::{Encoding, Model, PreTokenizer, Token};

use super::{Tokenizer, TokenizerError};

/// A character that occurs in no text at hand. Put into the name of a control token, it keeps the
/// name from being recognised; [`Tokenizer::encode_rendered`] takes it out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(char);

impl Mark {
    /// The last character of the last plane, which is for private use, that `texts` do not contain.
    fn absent_from<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Option<Self> {
        let mut private = ('\u{100000}'..='\u{10fffd}').rev();
        let absent = |&candidate: &char| !texts.clone().any(|text| text.contains(candidate));
        private.find(absent).map(Self)
    }
}

/// A token with a meaning of its own for the model.
#[derive(Debug, Clone)]
struct ControlToken {
    id: u32,
    name: Box<str>,
    /// Whether the tokenizer calls it special. Others are control tokens if a template writes them.
    special: bool,
}

/// The control tokens of a tokenizer.
#[derive(Debug, Clone)]
pub(super) struct ControlTokens {
    tokens: Vec<ControlToken>,
    /// First bytes of their names.
    begins: [bool; 256],
}

impl ControlTokens {
    pub fn of(tokenizer: &tokenizers::Tokenizer) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let tokens: Vec<_> = (added.into_iter())
            // A name of one character cannot be written otherwise.
            .filter(|(_, token)| token.content.chars().nth(1).is_some())
            .filter(|(_, token)| token.special || is_tag(&token.content))
            .map(|(id, token)| ControlToken {
                id,
                special: token.special,
                name: token.content.into_boxed_str(),
            })
            .collect();
        let mut begins = [false; 256];
        for token in &tokens {
            begins[usize::from(token.name.as_bytes()[0])] = true;
        }
        Self { tokens, begins }
    }

    /// Whether the name of a control token begins at byte `at` of `text`.
    fn begins(&self, text: &str, at: usize, written: &dyn Fn(&str) -> bool) -> bool {
        let rest = &text.as_bytes()[at..];
        rest.first().is_some_and(|&b| self.begins[usize::from(b)])
            && (self.tokens.iter()).any(|token| {
                rest.starts_with(token.name.as_bytes()) && (token.special || written(&token.name))
            })
    }

    /// Whether `text` contains the name of a control token.
    fn named_in(&self, text: &str, written: &dyn Fn(&str) -> bool) -> bool {
        (0..text.len()).any(|at| self.begins(text, at, written))
    }

    /// Whether `token`, which the model made of `text`, is a control token that was spelt out.
    fn spelt_out(&self, token: &Token, text: &str) -> bool {
        let Some(control) = (self.tokens.iter()).find(|control| control.id == token.id) else {
            return false;
        };
        control.special && text.get(token.offsets.0..token.offsets.1) == Some(&*control.name)
    }
}

/// Whether a token that is not special looks like one: `<start_of_turn>`, `[INST]`.
fn is_tag(name: &str) -> bool {
    let bracketed = |open, close| name.starts_with(open) && name.ends_with(close);
    (bracketed('<', '>') || bracketed('[', ']')) && name.contains(char::is_alphabetic)
}

impl Tokenizer {
    /// A mark for texts of which one names a control token; `None` if none does. `written` tells
    /// which names of tokens that are not special a chat template writes.
    pub fn mark_for<'t>(
        &self,
        texts: impl Iterator<Item = &'t str> + Clone,
        written: &dyn Fn(&str) -> bool,
    ) -> Option<Mark> {
        let mut all = texts.clone();
        let any = all.any(|text| self.control.named_in(text, written));
        any.then(|| Mark::absent_from(texts)).flatten()
    }

    /// `text` with a mark in every name of a control token.
    pub fn marked(&self, text: &str, mark: Mark, written: &dyn Fn(&str) -> bool) -> String {
        let mut marked = String::with_capacity(text.len() + 16);
        for (at, character) in text.char_indices() {
            marked.push(character);
            if self.control.begins(text, at, written) {
                marked.push(mark.0);
            }
        }
        marked
    }

    /// [`Tokenizer::encode`] of a rendered text, which may have marks: marked names of control
    /// tokens become the tokens of their characters, the others are recognised.
    pub fn encode_rendered(
        &self,
        text: &str,
        mark: Option<Mark>,
    ) -> Result<Vec<u32>, TokenizerError> {
        let Some(mark) = mark else {
            return self.encode(text);
        };
        let encoding = self.guard(|| self.marked_encoding(text, mark))?;
        self.known(encoding.get_ids())
    }

    /// The encoding of a text from data, without surrounding tokens. Offsets are those of `text`.
    pub(super) fn text_encoding(&self, text: &str) -> Result<Encoding, TokenizerError> {
        let special_only = &|_: &str| false;
        let Some(mark) = self.mark_for(std::iter::once(text), special_only) else {
            return self.guard(|| self.inner.encode(text, false));
        };
        let marked = self.marked(text, mark, special_only);
        let encoding = self.guard(|| self.marked_encoding(&marked, mark))?;
        let marks: Vec<usize> = marked.match_indices(mark.0).map(|(at, _)| at).collect();
        let before = |at: usize| at - mark.0.len_utf8() * marks.partition_point(|&m| m < at);
        let offsets = encoding.get_offsets().iter();
        let offsets = offsets.map(|&(start, end)| (before(start), before(end)));
        Ok(Encoding::new(
            encoding.get_ids().to_vec(),
            encoding.get_type_ids().to_vec(),
            encoding.get_tokens().to_vec(),
            encoding.get_word_ids().to_vec(),
            offsets.collect(),
            encoding.get_special_tokens_mask().to_vec(),
            encoding.get_attention_mask().to_vec(),
            Vec::new(),
            Default::default(),
        ))
    }

    /// The tokenizer's own pipeline, with the marks removed once added tokens have been found.
    fn marked_encoding(&self, text: &str, mark: Mark) -> tokenizers::Result<Encoding> {
        let (inner, added) = (&self.inner, self.inner.get_added_vocabulary());
        let mut pieces = added.extract_and_normalize(inner.get_normalizer(), text);
        pieces.normalize(|piece| piece.replace(mark.0, ""))?;
        if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.spelt(piece.get()))?;
        pieces.into_encoding(None, 0, OffsetType::Byte)
    }

    /// The model's tokens of a piece of text. Some vocabularies hold control tokens among the
    /// pieces; one that the model finds is spelt with others.
    fn spelt(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let mut spelt = Vec::new();
        for token in self.inner.get_model().tokenize(text)? {
            if !self.control.spelt_out(&token, text) {
                spelt.push(token);
                continue;
            }
            let (start, end) = token.offsets;
            let first = text[start..].chars().next().map_or(0, char::len_utf8);
            for Range { start, end } in [start..start + first, start + first..end] {
                let part = self.spelt(&text[start..end])?.into_iter();
                spelt.extend(part.map(|mut token| {
                    token.offsets = (token.offsets.0 + start, token.offsets.1 + start);
                    token
                }));
            }
        }
        Ok(spelt)
    }
}
