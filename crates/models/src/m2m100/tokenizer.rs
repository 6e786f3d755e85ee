//! NLLB's tokenizer: a `tokenizer.json`, with the tokens that mark the source language and the end
//! of a text.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::CheckpointError;
use crate::huggingface::read_json;
use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};

/// Error returned when a text cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TranslationTokenizerError {
    /// The model was not trained on a language.
    #[error("{path}: the model lacks the language {code}; it has {known} languages{examples}")]
    Language {
        /// `tokenizer.json`.
        path: PathBuf,
        /// The requested FLORES-200 code.
        code: String,
        /// Number of languages of the model.
        known: usize,
        /// The codes nearest to it.
        examples: String,
    },
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its files.
    #[error(transparent)]
    File(#[from] CheckpointError),
}

/// A tokenizer with the tokens of languages, named by FLORES-200 codes (`por_Latn`).
#[derive(Debug, Clone)]
pub struct TranslationTokenizer {
    path: PathBuf,
    inner: Tokenizer,
    eos: u32,
    /// `legacy_behaviour`: the source language follows the text's end token, as in NLLB's tokenizer
    /// before April 2023, instead of preceding the text.
    legacy: bool,
    /// FLORES-200 codes, ascending.
    languages: Vec<String>,
}

impl TranslationTokenizer {
    /// Reads `tokenizer.json` and `tokenizer_config.json` of a model directory; `eos` is the end
    /// token of its configuration.
    pub fn load(directory: &Path, eos: u32) -> Result<Self, TranslationTokenizerError> {
        let config = read_json(&directory.join("tokenizer_config.json"))?;
        let path = directory.join("tokenizer.json");
        if !path.is_file() {
            return Err(CheckpointError::file(
                directory,
                "holds no tokenizer.json; write one with AutoTokenizer.from_pretrained(…).save_pretrained(…) \
                 of Transformers",
            )
            .into());
        }
        let special = config.as_ref().map(SpecialTokens::from_json);
        let inner = Tokenizer::from_file(&path, special.unwrap_or_default())?;
        let legacy = config
            .as_ref()
            .and_then(|config| config.get("legacy_behaviour"))
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let mut languages: Vec<String> = inner.added_tokens();
        languages.retain(|token| is_language(token));
        languages.sort();
        if languages.is_empty() {
            return Err(CheckpointError::file(
                path,
                "has no tokens of languages such as eng_Latn: this is not the tokenizer of an NLLB model",
            )
            .into());
        }
        Ok(Self {
            path,
            inner,
            eos,
            legacy,
            languages,
        })
    }

    /// `tokenizer.json`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// FLORES-200 codes of the model's languages, ascending.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// The token of the language with this FLORES-200 code.
    pub fn language(&self, code: &str) -> Result<u32, TranslationTokenizerError> {
        let known = self
            .languages
            .binary_search_by(|known| known.as_str().cmp(code));
        if known.is_ok()
            && let Some(id) = self.inner.id(code)
        {
            return Ok(id);
        }
        let same = |known: &&String| code.get(..3).is_some_and(|start| known.starts_with(start));
        let near: Vec<&str> = self
            .languages
            .iter()
            .filter(same)
            .map(String::as_str)
            .collect();
        Err(TranslationTokenizerError::Language {
            path: self.path.clone(),
            code: code.to_owned(),
            known: self.languages.len(),
            examples: match near.is_empty() {
                true => String::new(),
                false => format!(", among them {}", near.join(", ")),
            },
        })
    }

    /// Whether the vocabulary contains `character`, as normalised.
    pub fn knows(&self, character: char) -> Result<bool, TokenizerError> {
        let unknown = self.inner.id("<unk>");
        let pieces = self.pieces(&character.to_string())?;
        Ok(!pieces.into_iter().any(|piece| Some(piece) == unknown))
    }

    /// Ids of a source text: `[source language] pieces </s>`, or `pieces </s> [source language]`
    /// with `legacy_behaviour`.
    pub fn encode(&self, text: &str, language: u32) -> Result<Vec<u32>, TokenizerError> {
        let [before, after] = self.special(language);
        Ok([before, self.pieces(text)?, after].concat())
    }

    /// The tokens before and after a text in this language.
    pub fn special(&self, language: u32) -> [Vec<u32>; 2] {
        match self.legacy {
            true => [vec![], vec![self.eos, language]],
            false => [vec![language], vec![self.eos]],
        }
    }

    /// Ids of a text alone.
    pub fn pieces(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.inner.encode(text)
    }

    /// [`TranslationTokenizer::pieces`] with the bytes of the text that each token stands for.
    pub fn pieces_with_offsets(
        &self,
        text: &str,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), TokenizerError> {
        self.inner.pieces_with_offsets(text)
    }

    /// Text of generated ids, without language and end tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids)
    }

    /// Fails if an id is not below `vocab_size`, the number of rows of the token table.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<(), TokenizerError> {
        self.inner.check_vocabulary(vocab_size)
    }
}

/// Whether a token is a FLORES-200 code: three letters, `_`, a script of four letters.
fn is_language(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() == 8
        && bytes[3] == b'_'
        && bytes[..3].iter().all(u8::is_ascii_lowercase)
        && bytes[4].is_ascii_uppercase()
        && bytes[5..].iter().all(u8::is_ascii_lowercase)
}
