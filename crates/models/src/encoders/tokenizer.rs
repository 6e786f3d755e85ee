//! Texts as an encoder's tokenizer lays them out.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::CheckpointError;
use crate::huggingface::read_json;
use crate::language_model::LoadError;
use crate::m2m100::TranslationTokenizer;
use crate::text_input::{
    EncodedText, LocatedText, OffsetTokens, TextInput, TextInputError, encode_choices,
    longest_first,
};
use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};

/// The tokenizer of an encoder.
#[derive(Debug, Clone)]
pub struct EncoderTokenizer {
    kind: Kind,
    /// Maximum length for which the model has positions, in tokens.
    max_tokens: usize,
    /// Put before every input.
    prefix: String,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A `tokenizer.json` whose post-processor puts special tokens around a text or pair.
    Template {
        tokenizer: Tokenizer,
        /// Whether the model reads the token types of the post-processor.
        typed: bool,
    },
    /// NLLB's, which marks the language.
    Marking(TranslationTokenizer),
}

/// Tokenizers of Transformers whose output has no token types.
const UNTYPED: [&str; 3] = ["XLMRoberta", "Roberta", "Camembert"];

/// The name of the token types among a model's inputs.
const TYPES: &str = "token_type_ids";

impl EncoderTokenizer {
    /// Reads `tokenizer.json` and `tokenizer_config.json` of a model directory.
    /// `distinguishes_texts` says whether the model has an embedding for the second text of a pair;
    /// `max_tokens` is the maximum length for which it has positions.
    pub(super) fn load(
        directory: &Path,
        distinguishes_texts: bool,
        max_tokens: usize,
    ) -> Result<Self, LoadError> {
        let path = directory.join("tokenizer.json");
        if !path.is_file() {
            let message = "holds no tokenizer.json; write one with \
                           AutoTokenizer.from_pretrained(…).save_pretrained(…) of Transformers";
            return Err(CheckpointError::file(directory, message).into());
        }
        let config = read_json(&directory.join("tokenizer_config.json"))?;
        let special = config.as_ref().map(SpecialTokens::from_json);
        let tokenizer = Tokenizer::from_file(&path, special.unwrap_or_default())?;
        let typed = distinguishes_texts && config.is_none_or(|config| has_types(&config));
        Ok(Self {
            kind: Kind::Template { tokenizer, typed },
            max_tokens,
            prefix: String::new(),
        })
    }

    /// The tokenizer of a model that marks the language of a text.
    pub(super) fn marking_languages(tokenizer: TranslationTokenizer, max_tokens: usize) -> Self {
        Self {
            kind: Kind::Marking(tokenizer),
            max_tokens,
            prefix: String::new(),
        }
    }

    /// Puts `prefix` before every input, such as the `query: ` that the E5 models were trained with.
    /// Of a pair and of choices it precedes the first text.
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self { prefix, ..self }
    }

    /// What precedes every input.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The FLORES-200 codes of the languages that the model marks, ascending; `None` if it marks
    /// none.
    pub fn languages(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Template { .. } => None,
            Kind::Marking(tokenizer) => Some(tokenizer.languages()),
        }
    }

    /// Fails if an id is not below `vocab_size`, the number of rows of the token table.
    pub(super) fn check_vocabulary(&self, vocab_size: usize) -> Result<(), TokenizerError> {
        match &self.kind {
            Kind::Template { tokenizer, .. } => tokenizer.check_vocabulary(vocab_size),
            Kind::Marking(tokenizer) => tokenizer.check_vocabulary(vocab_size),
        }
    }

    /// Encodes an input in at most `max_length` tokens, or as many as the model has positions for. A
    /// pair is `<s> A </s></s> B </s>` in XLM-R, `[CLS] A [SEP] B [SEP]` in BERT, and
    /// `[language] A B </s>` in NLLB, whose own tokenizer puts nothing in between. The longer text
    /// of a pair loses tokens first.
    ///
    /// `language`, a FLORES-200 code, is required and must be known if the model marks languages
    /// ([`EncoderTokenizer::languages`]), and is ignored otherwise.
    pub fn encode(
        &self,
        input: &TextInput<'_>,
        language: Option<&str>,
        max_length: usize,
    ) -> Result<EncodedText, TextInputError> {
        let limit = max_length.min(self.max_tokens);
        let marks = self.marks(language)?;
        let prefixed = |text: &str| format!("{}{text}", self.prefix);
        let (tokens, truncated) = match *input {
            TextInput::Single(text) => self.tokens(&prefixed(text), None, &marks, limit)?,
            TextInput::Pair(first, second) => {
                self.tokens(&prefixed(first), Some(second), &marks, limit)?
            }
            TextInput::Choices {
                passage,
                question,
                choices,
            } => {
                return encode_choices(&prefixed(passage), question, choices, limit, |text| {
                    Ok(self.tokens(text, None, &marks, usize::MAX)?.0)
                });
            }
        };
        Ok(EncodedText::whole(tokens.ids, tokens.types, truncated))
    }

    /// [`EncoderTokenizer::encode`] of a text, with the bytes of each token; those of the prefix have
    /// none.
    pub fn locate(
        &self,
        text: &str,
        language: Option<&str>,
        max_length: usize,
    ) -> Result<LocatedText, TextInputError> {
        let marks = self.marks(language)?;
        let limit = max_length.min(self.max_tokens);
        let prefixed = format!("{}{text}", self.prefix);
        let (tokens, truncated) = self.tokens(&prefixed, None, &marks, limit)?;
        let start = self.prefix.len();
        let own = |bytes: Range<usize>| match bytes.end > start {
            true => bytes.start.saturating_sub(start)..bytes.end - start,
            false => 0..0,
        };
        Ok(LocatedText {
            encoded: EncodedText::whole(tokens.ids, tokens.types, truncated),
            bytes: tokens.offsets.into_iter().map(own).collect(),
            words: Vec::new(),
        })
    }

    /// What precedes and follows a text if the model marks languages.
    fn marks(&self, language: Option<&str>) -> Result<[Vec<u32>; 2], TextInputError> {
        Ok(match &self.kind {
            Kind::Template { .. } => [vec![], vec![]],
            Kind::Marking(tokenizer) => {
                let missing = || TextInputError::NoLanguage(tokenizer.path().display().to_string());
                tokenizer.special(tokenizer.language(language.ok_or_else(missing)?)?)
            }
        })
    }

    /// A text or pair with special tokens, and whether it was truncated to `limit`. `marks` precede
    /// and follow it if the model marks languages.
    fn tokens(
        &self,
        first: &str,
        second: Option<&str>,
        marks: &[Vec<u32>; 2],
        limit: usize,
    ) -> Result<(OffsetTokens, bool), TextInputError> {
        match &self.kind {
            Kind::Template { tokenizer, typed } => {
                let laid_out = tokenizer.lay_out(first, second, limit)?;
                let types = match typed {
                    true => laid_out.types,
                    false => vec![0; laid_out.ids.len()],
                };
                let tokens = OffsetTokens {
                    ids: laid_out.ids,
                    types,
                    offsets: laid_out.offsets,
                };
                Ok((tokens, laid_out.truncated))
            }
            Kind::Marking(tokenizer) => {
                let texts = [
                    tokenizer.pieces_with_offsets(first)?,
                    match second {
                        Some(second) => tokenizer.pieces_with_offsets(second)?,
                        None => (vec![], vec![]),
                    },
                ];
                marked(texts, marks, limit)
            }
        }
    }
}

/// Pieces of two texts between `marks`.
fn marked(
    texts: [(Vec<u32>, Vec<Range<usize>>); 2],
    [before, after]: &[Vec<u32>; 2],
    limit: usize,
) -> Result<(OffsetTokens, bool), TextInputError> {
    let added = before.len() + after.len();
    let room = limit
        .checked_sub(added)
        .ok_or_else(|| TokenizerError::no_room(added, limit))?;
    let lengths = [texts[0].0.len(), texts[1].0.len()];
    let kept = longest_first(lengths, room);
    let mut tokens = OffsetTokens::default();
    let special = |tokens: &mut OffsetTokens, ids: &[u32]| {
        tokens.ids.extend(ids);
        tokens.offsets.extend(ids.iter().map(|_| 0..0));
    };
    special(&mut tokens, before);
    for ((ids, offsets), kept) in texts.into_iter().zip(kept) {
        tokens.ids.extend(&ids[..kept]);
        tokens.offsets.extend(offsets.into_iter().take(kept));
    }
    special(&mut tokens, after);
    tokens.types = vec![0; tokens.ids.len()];
    Ok((tokens, kept != lengths))
}

/// Whether Transformers gives a model with this `tokenizer_config.json` token types.
fn has_types(config: &Value) -> bool {
    if let Some(inputs) = config.get("model_input_names").and_then(Value::as_array) {
        return inputs.iter().any(|input| input == TYPES);
    }
    let class = config.get("tokenizer_class").and_then(Value::as_str);
    class.is_none_or(|class| !UNTYPED.iter().any(|untyped| class.starts_with(untyped)))
}
