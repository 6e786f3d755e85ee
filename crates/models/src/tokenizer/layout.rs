//! Texts and pairs of texts as a tokenizer's post-processor lays them out for an encoder.

use std::ops::Range;

use tokenizers::PostProcessor;
use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};

use super::{Tokenizer, TokenizerError};

/// A text or a pair of texts with the special tokens around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaidOut {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The type of each token, as the post-processor numbers them: usually 1 for the second text.
    pub types: Vec<u32>,
    /// The bytes that each token stands for, of its own text; empty for special tokens.
    pub offsets: Vec<Range<usize>>,
    /// Whether tokens were dropped.
    pub truncated: bool,
}

impl Tokenizer {
    /// A text, or two, in at most `limit` tokens: of a pair, the longer text loses tokens first
    /// (`longest_first` of Transformers).
    ///
    /// Fails if the special tokens alone are more than `limit`.
    pub fn lay_out(
        &self,
        first: &str,
        second: Option<&str>,
        limit: usize,
    ) -> Result<LaidOut, TokenizerError> {
        let failed = |error: tokenizers::Error| TokenizerError::Failed(error.to_string());
        let encode = |text: &str| self.guard(|| self.inner.encode(text, false));
        let (first, second) = (encode(first)?, second.map(encode).transpose()?);
        let processor = self.inner.get_post_processor();
        let added = processor.map_or(0, |processor| processor.added_tokens(second.is_some()));
        let pieces = first.len() + second.as_ref().map_or(0, |second| second.len());
        let room = limit
            .checked_sub(added)
            .ok_or_else(|| TokenizerError::no_room(added, limit))?;
        let truncation = TruncationParams {
            max_length: room,
            ..TruncationParams::default()
        };
        let (mut first, mut second) =
            truncate_encodings(first, second, &truncation).map_err(failed)?;
        // The rest is kept beside each text, and the post-processor would lay out every part of the
        // one with every part of the other: exponentially many if its template repeats a text.
        first.take_overflowing();
        second.as_mut().map(tokenizers::Encoding::take_overflowing);
        let encoding = self.guard(|| self.inner.post_process(first, second, true))?;
        if encoding.len() > limit {
            return Err(TokenizerError::Failed(
                "its post_processor repeats a text, which no known encoder reads".into(),
            ));
        }
        Ok(LaidOut {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            offsets: (encoding.get_offsets().iter())
                .map(|&(start, end)| start..end)
                .collect(),
            truncated: pieces > room,
        })
    }
}

impl TokenizerError {
    /// The error for `added` special tokens that exceed the maximum length `limit`.
    pub(crate) fn no_room(added: usize, limit: usize) -> Self {
        Self::Failed(format!(
            "{added} special tokens surround a text, but the maximum length is {limit}; raise it"
        ))
    }
}
