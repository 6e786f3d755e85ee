//! Converts texts to the encoder's input.

use super::CometError;
use super::hparams::{Hparams, MetricClass};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// A sample to score: a translation, its source, and an optional reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The source text.
    pub source: &'a str,
    /// Its translation.
    pub translation: &'a str,
    /// A human translation of the source.
    pub reference: Option<&'a str>,
}

/// A [`Sample`] as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSample {
    /// Input sequences of the encoder: the translation joined with source or reference for a
    /// unified metric, otherwise each text separately.
    pub(super) sequences: Vec<Vec<u32>>,
    /// Number of pieces in the translation.
    pub translation_pieces: usize,
    fits: bool,
}

impl EncodedSample {
    /// Whether it fits the encoder.
    pub fn fits(&self) -> bool {
        self.fits
    }
}

/// The tokenizer with the special tokens around texts.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    begin: u32,
    end: u32,
    padding: u32,
}

impl Encoder {
    pub fn new(tokenizer: Tokenizer) -> Result<Self, TokenizerError> {
        let id = |token: &str| {
            tokenizer.id(token).ok_or_else(|| {
                TokenizerError::Failed(format!(
                    "the tokenizer has no token {token}; use the tokenizer.json of XLM-R"
                ))
            })
        };
        Ok(Self {
            begin: id("<s>")?,
            end: id("</s>")?,
            padding: id("<pad>")?,
            tokenizer,
        })
    }

    /// Ids of a text without special tokens. A padding token spelled out in the text is removed, as
    /// in unbabel-comet.
    fn pieces(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = self.tokenizer.encode(text)?;
        ids.retain(|&id| id != self.padding);
        Ok(ids)
    }

    /// `<s> a </s></s> b </s> …`
    fn join(&self, texts: &[&[u32]]) -> Vec<u32> {
        let mut ids = vec![self.begin];
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                ids.push(self.end);
            }
            ids.extend(*text);
            ids.push(self.end);
        }
        ids
    }

    /// The sequences required by `hparams`, each at most `max_tokens` long.
    pub fn encode(
        &self,
        sample: Sample<'_>,
        hparams: &Hparams,
        max_tokens: usize,
    ) -> Result<EncodedSample, CometError> {
        let translation = self.pieces(sample.translation)?;
        let source = self.pieces(sample.source)?;
        let reference = sample.reference.map(|text| self.pieces(text)).transpose()?;
        let reference = reference.as_deref();
        let (translation, source) = (translation.as_slice(), source.as_slice());
        // unbabel-comet truncates single texts two tokens before the last position.
        let mut limit = max_tokens - 2;
        let sequences = match hparams.class {
            MetricClass::Unified => {
                limit = max_tokens;
                let reference = reference.filter(|_| hparams.inputs.reference);
                match (hparams.inputs.source, reference) {
                    (true, None) => vec![self.join(&[translation, source])],
                    (true, Some(reference)) => vec![
                        self.join(&[translation, source]),
                        self.join(&[translation, reference]),
                        self.join(&[translation, source, reference]),
                    ],
                    (false, Some(reference)) => vec![self.join(&[translation, reference])],
                    (false, None) => return Err(CometError::NoReference),
                }
            }
            MetricClass::Regression => {
                let reference = reference.ok_or(CometError::NoReference)?;
                [source, translation, reference]
                    .map(|text| self.join(&[text]))
                    .to_vec()
            }
            MetricClass::Referenceless => [source, translation]
                .map(|text| self.join(&[text]))
                .to_vec(),
        };
        Ok(EncodedSample {
            fits: sequences.iter().all(|ids| ids.len() <= limit),
            translation_pieces: translation.len(),
            sequences,
        })
    }
}
