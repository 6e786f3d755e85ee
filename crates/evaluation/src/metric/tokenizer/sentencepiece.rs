//! SentencePiece models as tokenizers ("spBLEU").
//!
//! The model file is read and text normalised by `sentencepiece-rs`; the most probable
//! segmentation into unigram pieces is found by `tokenizers`, whose trie is faster on the 256,000
//! pieces of FLORES-200.

use std::path::{Path, PathBuf};

use sentencepiece_rs::{ModelType, PieceType, SentencePieceProcessor};
use tokenizers::Model;
use tokenizers::models::unigram::Unigram;

/// Stands for unknown characters: a noncharacter, which no text holds.
const UNKNOWN: &str = "\u{10ffff}";

/// A loaded SentencePiece model.
#[derive(Debug)]
pub struct SentencePiece {
    name: String,
    processor: SentencePieceProcessor,
    /// `None` if the model is not a unigram model.
    unigram: Option<Unigram>,
}

/// A SentencePiece model that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: not a SentencePiece model: {message}")]
pub struct SentencePieceError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl SentencePiece {
    /// Reads a `.model` file; `name` appears in the signature.
    pub fn load(name: &str, path: &Path) -> Result<Self, SentencePieceError> {
        let error = |message: String| SentencePieceError {
            path: path.to_owned(),
            message,
        };
        let processor =
            SentencePieceProcessor::open(path).map_err(|cause| error(cause.to_string()))?;
        let unigram = match processor.model().model_type() {
            ModelType::Unigram => {
                Some(unigram(&processor).map_err(|cause| error(cause.to_string()))?)
            }
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            processor,
            unigram,
        })
    }

    /// Name in the signature.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pieces of `text`, joined by spaces.
    pub fn tokenize(&self, text: &str) -> String {
        self.pieces(text).join(" ")
    }

    /// The pieces of `text`, as SentencePiece's `EncodeAsPieces` gives them. Text that the model
    /// cannot normalise becomes one piece.
    pub fn pieces(&self, text: &str) -> Vec<String> {
        let whole = || vec![text.to_owned()];
        let Some(unigram) = &self.unigram else {
            return self.processor.encode(text).unwrap_or_else(|_| whole());
        };
        let Ok(normalised) = self.processor.normalize(text) else {
            return whole();
        };
        let pieces = unigram.encode(&normalised).unwrap_or_else(|_| whole());
        if !unigram.byte_fallback() {
            return pieces;
        }
        let bytes = |piece: String| match unigram.token_to_id(&piece) {
            Some(_) => vec![piece],
            None => piece
                .bytes()
                .map(|byte| format!("<0x{byte:02X}>"))
                .collect(),
        };
        pieces.into_iter().flat_map(bytes).collect()
    }
}

/// The pieces that stand for text, with SentencePiece's scores.
fn unigram(processor: &SentencePieceProcessor) -> tokenizers::Result<Unigram> {
    let pieces = processor.model().pieces();
    let normal = || {
        let normal = pieces
            .iter()
            .filter(|piece| piece.kind == PieceType::Normal);
        normal.map(|piece| piece.score)
    };
    let lowest = normal().reduce(f32::min).unwrap_or(0.0);
    let highest = normal().reduce(f32::max).unwrap_or(0.0);
    let mut vocabulary = vec![(UNKNOWN.to_owned(), f64::from(lowest))];
    vocabulary.extend(pieces.iter().filter_map(|piece| {
        let score = match piece.kind {
            PieceType::Normal => piece.score,
            // A user-defined symbol always wins over the pieces it is made of.
            PieceType::UserDefined => piece.piece.len() as f32 * highest - 0.1,
            _ => return None,
        };
        Some((piece.piece.clone(), f64::from(score)))
    }));
    let byte_fallback = pieces.iter().any(|piece| piece.kind == PieceType::Byte);
    Unigram::from(vocabulary, Some(0), byte_fallback)
}
