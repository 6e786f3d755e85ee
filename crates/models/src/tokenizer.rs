//! Converts text to token ids and back: Hugging Face `tokenizers`, from `tokenizer.json` or GGUF
//! metadata.

mod bounds;
mod content;
mod gguf;
mod layout;
mod special_tokens;
mod table;
mod to_gguf;
mod words;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::Encoding;

use crate::gguf::{Gguf, GgufError};
use crate::panic_boundary::guarded;
use content::ControlTokens;
pub use content::Mark;
pub use layout::LaidOut;
pub use special_tokens::SpecialTokens;
use words::WordCache;

/// Error returned when a tokenizer cannot be loaded or fails.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// `tokenizer.json` could not be read.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// The problem.
        message: String,
    },
    /// The tokenizer in a GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The kind of tokenizer in a GGUF file is not supported.
    #[error("{path}: `{key}` is {value:?}, which is not supported; {supported}")]
    Unsupported {
        /// The GGUF file.
        path: PathBuf,
        /// Metadata key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The supported values.
        supported: &'static str,
    },
    /// Ids beyond the model's token table.
    #[error(
        "the tokenizer does not match the model: its largest token id is {largest}, but the model \
         has {vocab_size} tokens; use the tokenizer that was published with the model"
    )]
    Mismatch {
        /// Largest id of the tokenizer.
        largest: u32,
        /// Rows of the token table.
        vocab_size: usize,
    },
    /// A GGUF file cannot describe it.
    #[error("the tokenizer cannot be written to a GGUF file: {0}")]
    NoGguf(String),
    /// The tokenizer failed on a text.
    #[error("cannot tokenise: {0}")]
    Failed(String),
}

/// A tokenizer and its named special tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// What a text from data must not be taken for.
    control: Arc<ControlTokens>,
    /// Words seen so far, for tokenizers that work word by word.
    words: Option<Arc<WordCache>>,
    /// Rows of the model's token table, if it is known to lack some of the tokens.
    rows: usize,
    /// Where it was read from, for messages.
    path: Arc<Path>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path, special: SpecialTokens) -> Result<Self, TokenizerError> {
        let error = |message: String| TokenizerError::File {
            path: path.to_path_buf(),
            message,
        };
        let bytes = std::fs::read(path).map_err(|source| error(source.to_string()))?;
        let mut inner =
            parsed(&bytes).map_err(|message| error(format!("not a tokenizer: {message}")))?;
        // Stored padding or truncation settings are leftovers of training and would change ids
        // here.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|source| error(source.to_string()))?;
        Ok(Self::new(inner, special, path))
    }

    /// The version of the ids of a GGUF file's tokenizer, for the model's identity.
    pub(crate) fn ids_version(file: &Gguf) -> Result<u32, GgufError> {
        gguf::ids_version(file)
    }

    /// Builds the tokenizer that a GGUF file's metadata describes.
    pub fn from_gguf(file: &Gguf) -> Result<Self, TokenizerError> {
        let (json, special) = gguf::tokenizer_json(file)?;
        let inner =
            parsed(json.to_string().as_bytes()).map_err(|message| TokenizerError::File {
                path: file.path().to_path_buf(),
                message: format!("the tokenizer in the metadata is invalid: {message}"),
            })?;
        Ok(Self::new(inner, special, file.path()))
    }

    fn new(inner: tokenizers::Tokenizer, special: SpecialTokens, path: &Path) -> Self {
        let words = WordCache::new(&inner).map(Arc::new);
        Self {
            control: Arc::new(ControlTokens::of(&inner)),
            inner,
            special,
            words,
            rows: usize::MAX,
            path: path.into(),
        }
    }

    /// The named special tokens.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Ids of a text that contains its control tokens, such as a rendered chat: nothing is added.
    /// What comes from data goes through [`Tokenizer::encode_text`] or is marked
    /// ([`Tokenizer::mark_for`]).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let words = self.words.as_ref();
        if let Some(words) = words
            && let Some(ids) = guarded(|| words.encode(text, &self.inner)).unwrap_or(None)
        {
            let ids = ids.map_err(|error| TokenizerError::Failed(error.to_string()))?;
            return self.known(&ids);
        }
        let encoding = self.guard(|| self.inner.encode_fast(text, false))?;
        self.known(encoding.get_ids())
    }

    /// Ids of a text from data: control tokens named in it are text, and nothing is added.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match self.mark_for(std::iter::once(text), &|_| false) {
            None => self.encode(text),
            Some(_) => self.known(self.text_encoding(text)?.get_ids()),
        }
    }

    /// [`Tokenizer::encode_text`] with the tokens that the tokenizer adds around a text (BOS, for
    /// some models).
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match self.mark_for(std::iter::once(text), &|_| false) {
            None => self.encode_raw(text),
            Some(_) => self.known(self.surrounded(text)?.get_ids()),
        }
    }

    /// [`Tokenizer::encode_plain`] of a text in which control tokens are recognised: typed by
    /// somebody who means them.
    pub fn encode_raw(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.guard(|| self.inner.encode_fast(text, true))?;
        self.known(encoding.get_ids())
    }

    /// [`Tokenizer::encode_plain`] with the bytes of the text that each token stands for; none for a
    /// token that was added.
    pub fn encode_with_offsets(
        &self,
        text: &str,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), TokenizerError> {
        self.ids_and_offsets(&self.surrounded(text)?)
    }

    /// [`Tokenizer::encode`] with the bytes of the text that each token stands for.
    pub fn pieces_with_offsets(
        &self,
        text: &str,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), TokenizerError> {
        self.ids_and_offsets(&self.guard(|| self.inner.encode(text, false))?)
    }

    /// The number of the word that each token of [`Tokenizer::encode_with_offsets`] belongs to, as
    /// the text is split before tokens are looked for; `None` for a token that was added.
    pub fn word_numbers(&self, text: &str) -> Result<Vec<Option<u32>>, TokenizerError> {
        Ok(self.surrounded(text)?.get_word_ids().to_vec())
    }

    fn ids_and_offsets(
        &self,
        encoding: &Encoding,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), TokenizerError> {
        let offsets = encoding.get_offsets().iter();
        let offsets = offsets.map(|&(start, end)| start..end);
        Ok((self.known(encoding.get_ids())?, offsets.collect()))
    }

    /// A text from data with the tokens that the tokenizer adds around it.
    fn surrounded(&self, text: &str) -> Result<Encoding, TokenizerError> {
        let encoding = self.text_encoding(text)?;
        self.guard(|| self.inner.post_process(encoding, None, true))
    }

    /// What the library does to a text; it panics on some, and if a regular expression takes more
    /// steps than [`bounds`] allows.
    fn guard<T>(&self, work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokenizerError> {
        match guarded(work) {
            Ok(result) => result.map_err(|error| TokenizerError::Failed(error.to_string())),
            Err(panic) => Err(TokenizerError::File {
                path: self.path.to_path_buf(),
                message: format!(
                    "the tokenizer gives up on a text ({panic}); shorten it, or use the tokenizer \
                     that was published with the model"
                ),
            }),
        }
    }

    /// Ids of a rendered text that continues another one: nothing is inserted before its first
    /// word, where SentencePiece would add a space.
    pub fn encode_continuation(
        &self,
        text: &str,
        mark: Option<Mark>,
    ) -> Result<Vec<u32>, TokenizerError> {
        /// A character that is a separate token in every vocabulary and never merges.
        const ANCHOR: &str = "\n";
        let anchor = self.encode(ANCHOR)?;
        let both = self.encode_rendered(&format!("{ANCHOR}{text}"), mark)?;
        match both.strip_prefix(anchor.as_slice()) {
            Some(rest) => Ok(rest.to_vec()),
            // The text begins with line breaks, which merge with the anchor.
            None => self.encode_rendered(text, mark),
        }
    }

    /// Text of `ids` without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.guard(|| self.inner.decode(ids, true))
    }

    /// Text of `ids`, special tokens included.
    pub fn decode_with_special(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.guard(|| self.inner.decode(ids, false))
    }

    /// The id of a token, by its exact name.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The name of a token.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Id of the token that begins a text.
    pub fn bos_id(&self) -> Option<u32> {
        self.id(self.special.bos.as_deref()?)
    }

    /// Id of the token that ends a text.
    pub fn eos_id(&self) -> Option<u32> {
        self.id(self.special.eos.as_deref()?)
    }

    /// Whether `id` is a special token, which never represents text.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner
            .get_added_tokens_decoder()
            .get(&id)
            .is_some_and(|token| token.special)
    }

    /// The tokens that were added to the vocabulary of pieces, in no order.
    pub fn added_tokens(&self) -> Vec<String> {
        let added = self.inner.get_added_tokens_decoder();
        added.into_values().map(|token| token.content).collect()
    }

    /// The content of a `tokenizer.json`.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        self.inner
            .to_string(true)
            .map_err(|error| TokenizerError::Failed(error.to_string()))
    }
}

/// The tokenizer that `json` describes; the library panics on some descriptions.
fn parsed(json: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    bounds::check(json)?;
    bounds::limit_searches();
    let parsed = guarded(|| tokenizers::Tokenizer::from_bytes(json))?;
    parsed.map_err(|error| error.to_string())
}
