//! Documents as tokens on disk, for recipes that train on more text than fits in memory.
//!
//! [`TokenFile::make`] reads a stream of documents once and writes the `N` token sequences of each,
//! for instance those of two tokenizers. [`TokenFile::read`] returns those of any document.

mod make;
mod part;

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::{ArtefactError, Key, MANIFEST_FILE, Manifest, Provenance};
use corpus::sampling::shuffle_key;
use corpus::source::SourceError;
use corpus::source::plain_text::TextCounts;
use serde::{Deserialize, Serialize};

use part::Part;

/// Error returned when documents cannot be turned into tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The text cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file of tokens cannot be written or read.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// A tokenizer failed.
    #[error("document {document} of the text: {source}; its text begins {start:?}")]
    Encode {
        /// Number of the document in the stream, from 1.
        document: u64,
        /// The first characters of its text.
        start: String,
        /// The problem.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No document is left to train on.
    #[error(
        "the text has no document with tokens ({documents} were read, of which {empty} have no \
         token); name other files"
    )]
    Empty {
        /// Documents read.
        documents: u64,
        /// Documents without tokens.
        empty: u64,
    },
}

/// A token sequence of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// The ids; a document with an empty sequence is set aside.
    pub ids: Vec<u32>,
    /// Whether the text went on beyond the last of them.
    pub truncated: bool,
}

impl Tokens {
    /// The first `limit` of these ids.
    pub fn up_to(mut ids: Vec<u32>, limit: usize) -> Self {
        let truncated = ids.len() > limit;
        ids.truncate(limit);
        Self { ids, truncated }
    }
}

/// What a token file holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Documents with tokens.
    pub documents: u64,
    /// Documents set aside because a token sequence of theirs is empty.
    pub empty: u64,
    /// The token sequences by name.
    pub columns: BTreeMap<String, ColumnCounts>,
    /// What became of the rows of the text.
    pub text: TextCounts,
}

/// Counts of a token sequence over all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ColumnCounts {
    /// Tokens.
    pub tokens: u64,
    /// Documents that were cut off.
    pub truncated: u64,
}

impl TokenCounts {
    /// A sentence for each thing that a user should know: texts that were cut off, and documents
    /// that were set aside.
    pub fn notes(&self, max_length: usize) -> Vec<String> {
        let cut = self
            .columns
            .iter()
            .filter(|(_, counts)| counts.truncated > 0);
        let mut notes: Vec<String> = cut
            .map(|(name, counts)| {
                format!(
                    "{name}: longer than {max_length} tokens and cut off: {} of {} documents",
                    counts.truncated, self.documents
                )
            })
            .collect();
        if self.empty > 0 {
            notes.push(format!(
                "without a token and set aside: {} documents",
                self.empty
            ));
        }
        for (reason, rows) in &self.text.rejected {
            notes.push(format!(
                "rows of the text without a document ({reason}): {rows}"
            ));
        }
        if self.text.duplicates > 0 {
            notes.push(format!(
                "equal to an earlier document: {}",
                self.text.duplicates
            ));
        }
        notes
    }
}

/// Documents with `N` token sequences each, in the order of the text.
#[derive(Debug)]
pub struct TokenFile<const N: usize> {
    parts: Vec<Part>,
    documents: Vec<Place<N>>,
    counts: TokenCounts,
    key: Key,
}

/// Where a document's tokens are.
#[derive(Debug, Clone, Copy)]
struct Place<const N: usize> {
    part: u32,
    /// Number of its first token in the part.
    start: u64,
    lengths: [u32; N],
}

impl<const N: usize> TokenFile<N> {
    /// The finished token file in `folder`, if it was made from `provenance`.
    pub fn open(folder: &Path, provenance: &Provenance) -> Result<Option<Self>, ArtefactError> {
        let manifest = Manifest::<TokenCounts>::read(&folder.join(MANIFEST_FILE))?;
        let Some(manifest) = manifest.filter(|manifest| manifest.provenance == *provenance) else {
            return Ok(None);
        };
        let mut file = Self {
            parts: Vec::new(),
            documents: Vec::new(),
            counts: manifest.results,
            key: manifest.key,
        };
        while let Some(part) = Part::open(folder, file.parts.len())? {
            let number = file.parts.len() as u32;
            let mut start = 0;
            for entries in part.index::<N>()? {
                let lengths = entries.map(|entry| entry.length);
                // Documents with an empty sequence keep their place in the part, so that it can be
                // told how far an interrupted run came.
                if lengths.iter().all(|&length| length > 0) {
                    file.documents.push(Place {
                        part: number,
                        start,
                        lengths,
                    });
                }
                start += lengths.iter().map(|&length| u64::from(length)).sum::<u64>();
            }
            file.parts.push(part);
        }
        let complete = file.documents.len() as u64 == file.counts.documents;
        Ok(complete.then_some(file))
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Number of tokens in each sequence of a document.
    ///
    /// # Panics
    /// If there are not so many documents.
    pub fn lengths(&self, document: usize) -> [usize; N] {
        self.documents[document]
            .lengths
            .map(|length| length as usize)
    }

    /// The token sequences of a document.
    ///
    /// # Panics
    /// If there are not so many documents.
    pub fn read(&self, document: usize) -> Result<[Vec<u32>; N], ArtefactError> {
        let Place {
            part,
            start,
            lengths,
        } = self.documents[document];
        let total = lengths.iter().map(|&length| length as usize).sum();
        let ids = self.parts[part as usize].read(start, total)?;
        let mut rest = ids.as_slice();
        Ok(lengths.map(|length| {
            let (sequence, after) = rest.split_at(length as usize);
            rest = after;
            sequence.to_vec()
        }))
    }

    /// Counts of documents and tokens.
    pub fn counts(&self) -> &TokenCounts {
        &self.counts
    }

    /// The key of the text, the tokenizers and the maximum length: an input of what is trained on
    /// it.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The documents to train on, and `held_out` others (at most half of all), drawn by the seed;
    /// both in order.
    pub fn split(&self, held_out: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let mut drawn: Vec<usize> = (0..self.len()).collect();
        drawn.sort_by_key(|document| shuffle_key(seed, "held-out document", &document.to_string()));
        let mut train = drawn.split_off(held_out.min(self.len() / 2));
        train.sort_unstable();
        drawn.sort_unstable();
        (train, drawn)
    }
}
