//! Passages: texts of a line or a paragraph, drawn from files of any size.

use std::collections::BinaryHeap;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::plain_text::{TextOptions, TextSource, written_texts};
use super::text::sentence_fault;
use super::{Broken, MOST_REJECTED, SourceError, judge, lossy};
use crate::rejected::Rejected;
use crate::sampling;

/// Which passages are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageOptions {
    /// Maximum number of passages.
    pub limit: usize,
    /// Minimum length of a passage, in characters.
    pub min_characters: usize,
    /// Maximum length of a passage, in characters.
    pub max_characters: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// Reading stops when a larger share of a file's rows or passages cannot be used.
    pub max_rejected_fraction: f64,
}

/// Numbers of texts read and drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageCounts {
    /// Documents read.
    pub documents: u64,
    /// Rows of the files without a document: malformed, or in another encoding.
    pub unreadable: u64,
    /// Passages of the documents.
    pub passages: u64,
    /// Of these, those that are too short.
    pub too_short: u64,
    /// Those that are too long.
    pub too_long: u64,
    /// Those equal to an earlier one.
    pub duplicates: u64,
    /// Those drawn.
    pub drawn: u64,
}

/// Passages in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedPassages {
    /// Those drawn, without white space around them, in the order of the files.
    pub passages: Vec<String>,
    /// Passages of the right length that cannot be used, with the reason.
    pub rejected: Vec<Rejected>,
    /// What was read.
    pub counts: PassageCounts,
}

/// Draws passages from `source`. A document is a passage, unless it is too long: then each of its
/// lines is one.
///
/// # Errors
/// If a file cannot be read, or holds no passage of the right length, or too much of it cannot be
/// used.
pub fn passages(
    source: &TextSource,
    options: &PassageOptions,
) -> Result<LoadedPassages, SourceError> {
    let mut drawing = Drawing {
        options,
        source,
        seen: FxHashSet::default(),
        drawn: BinaryHeap::new(),
        loaded: LoadedPassages::default(),
    };
    let mut documents = written_texts(
        source,
        &TextOptions {
            max_rejected_fraction: options.max_rejected_fraction,
            ..TextOptions::default()
        },
    )?;
    for document in documents.by_ref() {
        let document = document?;
        let document = document.trim();
        match document.chars().count() > options.max_characters && document.contains('\n') {
            true => document.lines().try_for_each(|line| drawing.take(line))?,
            false => drawing.take(document)?,
        }
    }
    let read = documents.counts();
    let counts = &mut drawing.loaded.counts;
    counts.documents = read.documents;
    let rejected = read.rejected.iter();
    let unreadable = rejected.filter(|(reason, _)| *reason != "empty");
    counts.unreadable = unreadable.map(|(_, count)| count).sum();
    drawing.end()
}

struct Drawing<'a> {
    options: &'a PassageOptions,
    source: &'a TextSource,
    seen: FxHashSet<[u8; 16]>,
    /// Those with the lowest keys so far, the highest of them first: key, number, text. As many as
    /// wanted, so that files may be larger than the memory.
    drawn: BinaryHeap<(u64, u64, String)>,
    loaded: LoadedPassages,
}

impl Drawing<'_> {
    fn take(&mut self, text: &str) -> Result<(), SourceError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let counts = &mut self.loaded.counts;
        counts.passages += 1;
        let number = counts.passages;
        let length = text.chars().count();
        if length < self.options.min_characters {
            counts.too_short += 1;
            return Ok(());
        }
        if length > self.options.max_characters {
            counts.too_long += 1;
            return Ok(());
        }
        let hash = blake3::hash(text.as_bytes());
        if !self
            .seen
            .insert(*hash.as_bytes().first_chunk().expect("32 bytes"))
        {
            counts.duplicates += 1;
            return Ok(());
        }
        if let Some((reason, detail)) = sentence_fault(text) {
            return self.reject(number, reason, detail, text);
        }
        let key = sampling::shuffle_key(self.options.seed, "passage", hash.to_hex().as_str());
        if self.drawn.len() < self.options.limit {
            self.drawn.push((key, number, text.to_owned()));
        } else if self
            .drawn
            .peek()
            .is_some_and(|(highest, ..)| key < *highest)
        {
            self.drawn.pop();
            self.drawn.push((key, number, text.to_owned()));
        }
        Ok(())
    }

    fn reject(
        &mut self,
        number: u64,
        reason: &'static str,
        detail: String,
        text: &str,
    ) -> Result<(), SourceError> {
        let broken = Broken {
            reason,
            detail,
            row: lossy(text.as_bytes()),
        };
        let rejected = &mut self.loaded.rejected;
        rejected.push(Rejected {
            field: "passage".into(),
            ..broken.at(self.source.path(), number)
        });
        if rejected.len() < MOST_REJECTED {
            return Ok(());
        }
        Err(SourceError::MostRejected {
            path: self.source.path().to_owned(),
            rejected: rejected.len(),
            usable: self.drawn.len(),
            first: format!("{}: {}", rejected[0].id, rejected[0].detail),
        })
    }

    fn end(self) -> Result<LoadedPassages, SourceError> {
        let (path, mut loaded) = (self.source.path(), self.loaded);
        let PassageCounts {
            passages,
            too_short,
            too_long,
            duplicates,
            ..
        } = loaded.counts;
        let faulty = loaded.rejected.len() as u64;
        let usable = passages - too_short - too_long - duplicates - faulty;
        let most = self.options.max_rejected_fraction;
        judge(path, &loaded.rejected, usable as usize, most)?;
        if usable == 0 {
            return Err(match passages {
                0 => SourceError::Empty {
                    path: path.to_owned(),
                },
                _ => SourceError::NoPassage {
                    path: path.to_owned(),
                    too_short,
                    too_long,
                    min: self.options.min_characters,
                    max: self.options.max_characters,
                },
            });
        }
        let mut drawn = self.drawn.into_vec();
        drawn.sort_unstable_by_key(|(_, number, _)| *number);
        loaded.counts.drawn = drawn.len() as u64;
        loaded.passages = drawn.into_iter().map(|(.., text)| text).collect();
        Ok(loaded)
    }
}
