//! Documents as tokens of both models.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use artefacts::{ArtefactError, Provenance};
use corpus::progress::Progress;
use corpus::source::plain_text::Documents as Text;
use models::text_input::{EncodedText, LocatedText, TextInputError};
use models::{Backbone, TextInput};

use crate::token_file::{TokenFile, TokenFileError, Tokens};

/// The token sequences of a document in its file.
const COLUMNS: [&str; 3] = ["the LLM", "the encoder", "aligned tokens"];

/// A document as tokens of both models.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What the LLM reads by itself.
    pub target: EncodedText,
    /// What the stack reads.
    pub source: EncodedText,
    /// The tokens (LLM's, encoder's) of words that are one token on each side; none unless they were
    /// looked for.
    pub aligned: Vec<[u32; 2]>,
}

/// Documents on disk.
#[derive(Debug)]
pub struct Documents {
    file: TokenFile<3>,
}

impl Documents {
    /// The documents in `folder`, encoded from `text` unless they are there. With `aligns`, aligned
    /// tokens are looked for.
    pub fn make(
        folder: &Path,
        text: Text,
        (stack, llm): (&Backbone, &Backbone),
        language: &str,
        aligns: bool,
        provenance: Provenance,
        progress: &dyn Progress,
    ) -> Result<Self, TokenFileError> {
        let encode = |text: &str| -> Result<[Tokens; 3], TextInputError> {
            let (target, source, pairs) = match aligns {
                true => {
                    let target = llm.locate(text, None)?;
                    let source = stack.locate(text, Some(language))?;
                    let pairs = aligned(text, &target, &source);
                    (target.encoded, source.encoded, pairs)
                }
                false => {
                    let single = TextInput::Single(text);
                    let target = llm.encode(&single, None)?;
                    (target, stack.encode(&single, Some(language))?, Vec::new())
                }
            };
            // A sequence must not be empty, so that the number of pairs comes first.
            let pairs = [pairs.len() as u32].into_iter().chain(pairs.concat());
            let tokens = |text: EncodedText| Tokens {
                ids: text.ids,
                truncated: text.truncated,
            };
            let pairs = Tokens {
                ids: pairs.collect(),
                truncated: false,
            };
            Ok([tokens(target), tokens(source), pairs])
        };
        let file = TokenFile::make(folder, COLUMNS, text, encode, provenance, progress)?;
        Ok(Self { file })
    }

    /// The file they are in.
    pub fn file(&self) -> &TokenFile<3> {
        &self.file
    }

    /// Number of tokens that the stack reads.
    pub fn source_tokens(&self, document: usize) -> usize {
        self.file.lengths(document)[1]
    }

    /// Number of aligned tokens.
    pub fn aligned_tokens(&self, document: usize) -> usize {
        (self.file.lengths(document)[2] - 1) / 2
    }

    /// A document.
    pub fn read(&self, document: usize) -> Result<Document, ArtefactError> {
        let [target, source, aligned] = self.file.read(document)?;
        let whole = |ids: Vec<u32>| {
            let types = vec![0; ids.len()];
            EncodedText::whole(ids, types, false)
        };
        Ok(Document {
            target: whole(target),
            source: whole(source),
            aligned: aligned[1..].as_chunks().0.to_vec(),
        })
    }
}

/// The tokens (LLM's, encoder's) of the words, as the LLM's tokenizer splits the text, that are one
/// token on each side. Spaces around a word are not part of it.
pub fn aligned(text: &str, llm: &LocatedText, encoder: &LocatedText) -> Vec<[u32; 2]> {
    let word = |bytes: &Range<usize>| {
        let part = text.get(bytes.clone())?;
        let start = bytes.start + part.len() - part.trim_start().len();
        let range = start..start + part.trim().len();
        (!range.is_empty()).then_some(range)
    };
    // Of tokens with the same bytes, the first.
    let tokens = encoder.bytes.iter().enumerate().rev();
    let sources: HashMap<Range<usize>, u32> = tokens
        .filter_map(|(token, bytes)| Some((word(bytes)?, token as u32)))
        .collect();
    let in_word = |number: usize, other: usize| llm.words.get(other) == llm.words.get(number);
    let alone = |&token: &usize| {
        llm.words[token].is_some()
            && !(token > 0 && in_word(token, token - 1))
            && !in_word(token, token + 1)
    };
    let pair = |token: usize| {
        let source = sources.get(&word(&llm.bytes[token])?)?;
        Some([token as u32, *source])
    };
    (0..llm.bytes.len())
        .filter(alone)
        .filter_map(pair)
        .collect()
}
