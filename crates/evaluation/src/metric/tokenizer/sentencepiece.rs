//! SentencePiece models as tokenizers ("spBLEU").
//!
//! The model file is read and text normalised by `sentencepiece-rs`; the segmentation into
//! unigram pieces is ours, because a vocabulary of 256,000 pieces asks for a look-up per
//! substring instead of a scan per position.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sentencepiece_rs::{ModelType, PieceType, SentencePieceProcessor};

/// Log-probability of an unknown character below that of the least probable piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A loaded SentencePiece model.
#[derive(Debug)]
pub struct SentencePiece {
    name: String,
    processor: SentencePieceProcessor,
    scores: HashMap<Box<str>, f32>,
    unknown_score: f32,
    longest: usize,
    byte_fallback: bool,
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
        let processor = SentencePieceProcessor::open(path).map_err(|error| SentencePieceError {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let pieces = processor.model().pieces();
        let normal = pieces
            .iter()
            .filter(|piece| piece.kind == PieceType::Normal);
        let lowest = normal
            .clone()
            .map(|piece| piece.score)
            .reduce(f32::min)
            .unwrap_or(0.0);
        let highest = normal
            .map(|piece| piece.score)
            .reduce(f32::max)
            .unwrap_or(0.0);
        let mut scores = HashMap::with_capacity(pieces.len());
        for piece in pieces {
            let score = match piece.kind {
                PieceType::Normal => piece.score,
                // A user-defined symbol always wins over the pieces it is made of.
                PieceType::UserDefined => piece.piece.len() as f32 * highest - 0.1,
                _ => continue,
            };
            scores.insert(piece.piece.clone().into_boxed_str(), score);
        }
        let longest = scores.keys().map(|piece| piece.len()).max().unwrap_or(0);
        let byte_fallback = pieces.iter().any(|piece| piece.kind == PieceType::Byte);
        Ok(Self {
            name: name.to_owned(),
            scores,
            unknown_score: lowest - UNKNOWN_PENALTY,
            longest,
            byte_fallback,
            processor,
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
        if self.processor.model().model_type() != ModelType::Unigram {
            return self.processor.encode(text).unwrap_or_else(|_| whole());
        }
        match self.processor.normalize(text) {
            Ok(normalised) => self.segment(&normalised),
            Err(_) => whole(),
        }
    }

    /// The most probable segmentation (Viterbi); neighbouring unknown characters are one piece.
    fn segment(&self, text: &str) -> Vec<String> {
        /// The best way to reach a byte position.
        #[derive(Clone, Copy)]
        struct Arrival {
            score: f32,
            from: usize,
            known: bool,
        }
        let mut arrivals: Vec<Option<Arrival>> = vec![None; text.len() + 1];
        arrivals[0] = Some(Arrival {
            score: 0.0,
            from: 0,
            known: true,
        });
        for (start, first) in text.char_indices() {
            let Some(Arrival { score: before, .. }) = arrivals[start] else {
                continue;
            };
            let mut reach = |end: usize, score: f32, known: bool| {
                if arrivals[end].is_none_or(|best| score > best.score) {
                    arrivals[end] = Some(Arrival {
                        score,
                        from: start,
                        known,
                    });
                }
            };
            let (mut end, mut single) = (start, false);
            for character in text[start..].chars() {
                end += character.len_utf8();
                if end - start > self.longest {
                    break;
                }
                if let Some(score) = self.scores.get(&text[start..end]) {
                    reach(end, before + score, true);
                    single |= end - start == first.len_utf8();
                }
            }
            if !single {
                reach(start + first.len_utf8(), before + self.unknown_score, false);
            }
        }

        let mut spans = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let Some(Arrival { from, known, .. }) = arrivals[end] else {
                break;
            };
            spans.push((from, end, known));
            end = from;
        }
        spans.reverse();
        let mut pieces: Vec<String> = Vec::with_capacity(spans.len());
        let mut after_unknown = false;
        for (start, end, known) in spans {
            let surface = &text[start..end];
            if known {
                pieces.push(surface.to_owned());
            } else if self.byte_fallback {
                pieces.extend(surface.bytes().map(|byte| format!("<0x{byte:02X}>")));
            } else if let (true, Some(previous)) = (after_unknown, pieces.last_mut()) {
                previous.push_str(surface);
            } else {
                pieces.push(surface.to_owned());
            }
            after_unknown = !known;
        }
        pieces
    }
}
