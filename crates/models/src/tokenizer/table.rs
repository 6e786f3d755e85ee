//! A tokenizer and the token table of its model, which may have fewer rows.

use serde_json::Value;

use super::{Tokenizer, TokenizerError, parsed};

impl Tokenizer {
    /// The tokenizer of a model with `vocab_size` tokens, without added tokens beyond them. Text
    /// models that share a tokenizer with image models have such tokens (Gemma 3's
    /// `<image_soft_token>`), and fine-tunes whose table was not widened (`<pad>`). A few pieces
    /// beyond the table are let be: a text that contains one fails.
    pub(crate) fn fitting(self, vocab_size: usize) -> Result<Self, TokenizerError> {
        /// More pieces than anybody adds to the vocabulary of a published model by hand.
        const PIECES: usize = 64;
        if self.check_vocabulary(vocab_size).is_ok() {
            let rows = vocab_size;
            return Ok(Self { rows, ..self });
        }
        let has_no_row = |id: &u32| *id as usize >= vocab_size;
        let added = self.inner.get_added_tokens_decoder();
        let pieces = self.inner.get_vocab(false).into_values();
        let pieces = pieces.filter(|id| has_no_row(id) && !added.contains_key(id));
        if pieces.count() > PIECES {
            return self.check_vocabulary(vocab_size).map(|()| self);
        }
        let failed = |message: String| TokenizerError::Failed(message);
        let text = self.to_json()?;
        let mut json: Value =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if let Some(tokens) = json["added_tokens"].as_array_mut() {
            let has_row = |token: &Value| token["id"].as_u64() < Some(vocab_size as u64);
            tokens.retain(has_row);
        }
        let inner = parsed(json.to_string().as_bytes()).map_err(failed)?;
        Ok(Self {
            rows: vocab_size,
            ..Self::new(inner, self.special, &self.path)
        })
    }

    /// `ids`, all of which the model has.
    pub(super) fn known(&self, ids: &[u32]) -> Result<Vec<u32>, TokenizerError> {
        match ids.iter().find(|id| **id as usize >= self.rows) {
            None => Ok(ids.to_vec()),
            Some(&id) => Err(TokenizerError::Failed(format!(
                "the text contains the token {:?} (id {id}), but the model has {} tokens; leave it \
                 out of the text",
                self.token(id).unwrap_or_default(),
                self.rows
            ))),
        }
    }

    /// Fails if an id is not below `vocab_size`, the number of rows of the token table.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<(), TokenizerError> {
        let largest = self.inner.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= vocab_size {
            return Err(TokenizerError::Mismatch {
                largest,
                vocab_size,
            });
        }
        Ok(())
    }
}
