//! The transfer set while it is made: examples as lines of a temporary file, each with its place in
//! the order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use artefacts::{ArtefactError, AtomicFile};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Mixed;
use super::split::Part;
use crate::read_ahead::read_ahead;
use crate::record::Subset;
use crate::sampling;
use crate::stage::StageError;

/// A subset of the transfer set, as the manifest's details describe it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubsetSummary {
    /// Rows in the training part, |D_d|.
    pub rows: u64,
    /// Of these, rows whose answer is the LLM's own.
    pub generated: u64,
    /// Rows that are held out to choose the checkpoint.
    pub held_out_rows: u64,
    /// Rows that are held out for the evaluation alone.
    #[serde(default)]
    pub test_rows: u64,
    /// Characters of all questions in the training part.
    pub question_characters: u64,
    /// Characters of all answers in the training part.
    pub answer_characters: u64,
}

/// Examples on their way into the transfer set.
#[derive(Default)]
pub(super) struct Drafts {
    lines: Vec<u8>,
    examples: Vec<Draft>,
}

/// An example whose line is among those of its [`Drafts`].
struct Draft {
    entry: Entry,
    /// For an example of LL: its question and whether the answer is the LLM's own, and its rank
    /// among those examples.
    question: Option<((String, bool), u64)>,
}

/// What is kept in memory of an example.
struct Entry {
    /// Decides its place in the transfer set.
    key: u64,
    line: Place,
    subset: Subset,
    part: Part,
    generated: bool,
    question_characters: u64,
    answer_characters: u64,
}

impl Drafts {
    /// Adds an example, and for one of a question, the question's identifier.
    pub(super) fn push(
        &mut self,
        mixed: &Mixed,
        question: Option<&str>,
        seed: u64,
    ) -> Result<(), StageError> {
        let Mixed {
            example,
            part,
            generated,
        } = mixed;
        let at = self.lines.len();
        add_line(&mut self.lines, example)?;
        let entry = Entry {
            key: sampling::shuffle_key(seed, "order", &example.id),
            line: Place {
                at: at as u64,
                length: self.lines.len() - at,
            },
            subset: example.subset,
            part: *part,
            generated: *generated,
            question_characters: example.question.chars().count() as u64,
            answer_characters: example.answer.chars().count() as u64,
        };
        let question = question.filter(|_| example.subset == Subset::LL);
        self.examples.push(Draft {
            entry,
            question: question.map(|id| {
                let rank = sampling::shuffle_key(seed, "LL language", &example.id);
                ((id.to_owned(), *generated), rank)
            }),
        });
        Ok(())
    }
}

/// Bytes of lines that are written at a time.
const BUFFER: usize = 1 << 18;

/// Lines that are read at a time, and by a thread.
const LINES: usize = 4096;
const LINES_PER_TASK: usize = 256;

/// Adds the line of a file for `value`.
pub(super) fn add_line(lines: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StageError> {
    let written = serde_json::to_writer(&mut *lines, value);
    written.map_err(|error| StageError::Options(format!("mix: {error}")))?;
    lines.push(b'\n');
    Ok(())
}

/// All examples so far.
pub(super) struct TransferSet {
    entries: Vec<Entry>,
    lines: Lines,
    /// With several target languages a question has an LL example for each, which differ in the
    /// words that were switched alone. The one of the lowest rank is kept: its rank and its place.
    questions: FxHashMap<(String, bool), (u64, usize)>,
}

impl TransferSet {
    /// An empty set, whose lines are kept in a temporary file in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self, ArtefactError> {
        Ok(Self {
            entries: Vec::new(),
            lines: Lines::new(folder)?,
            questions: FxHashMap::default(),
        })
    }

    pub(super) fn add(&mut self, drafts: Drafts) -> Result<(), ArtefactError> {
        for draft in drafts.examples {
            let place = draft.entry.line;
            let line = &drafts.lines[place.at as usize..][..place.length];
            self.add_draft(draft, line)?;
        }
        Ok(())
    }

    fn add_draft(&mut self, draft: Draft, line: &[u8]) -> Result<(), ArtefactError> {
        let Draft {
            mut entry,
            question,
        } = draft;
        let place = match question {
            None => None,
            Some((question, rank)) => match self.questions.get_mut(&question) {
                Some((kept, _)) if *kept <= rank => return Ok(()),
                Some((kept, place)) => {
                    *kept = rank;
                    Some(*place)
                }
                None => {
                    self.questions.insert(question, (rank, self.entries.len()));
                    None
                }
            },
        };
        entry.line = self.lines.add(line)?;
        match place {
            Some(place) => self.entries[place] = entry,
            None => self.entries.push(entry),
        }
        Ok(())
    }

    /// Brings the examples into their order.
    pub(super) fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.key);
    }

    /// Writes the lines of a part to a file; returns their number and the file's hash.
    pub(super) fn write(
        &mut self,
        part: Part,
        path: &Path,
    ) -> Result<(u64, String), ArtefactError> {
        self.lines.flush()?;
        let of_part = self.entries.iter().filter(|entry| entry.part == part);
        let places: Vec<Place> = of_part.map(|entry| entry.line).collect();
        let mut file = AtomicFile::create(path)?;
        let pieces = places.chunks(LINES).map(|places| {
            let lines = places.par_chunks(LINES_PER_TASK);
            let lines = lines.map(|places| self.lines.read(places));
            lines.collect::<Result<Vec<_>, ArtefactError>>()
        });
        read_ahead(pieces, |lines| {
            lines.iter().try_for_each(|lines| file.write(lines))
        })?;
        Ok((places.len() as u64, file.commit()?))
    }

    /// Whether a part has lines.
    pub(super) fn has(&self, part: Part) -> bool {
        self.entries.iter().any(|entry| entry.part == part)
    }

    /// The summary of every subset, for the manifest.
    pub(super) fn summaries(&self) -> BTreeMap<&'static str, SubsetSummary> {
        let mut summaries: BTreeMap<_, SubsetSummary> = BTreeMap::new();
        for entry in &self.entries {
            let summary = summaries.entry(entry.subset.name()).or_default();
            match entry.part {
                Part::Train => summary.rows += 1,
                Part::Validation => summary.held_out_rows += 1,
                Part::Test => summary.test_rows += 1,
            }
            if entry.part != Part::Train {
                continue;
            }
            summary.generated += u64::from(entry.generated);
            summary.question_characters += entry.question_characters;
            summary.answer_characters += entry.answer_characters;
        }
        summaries
    }
}

/// Where a line is among others.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    length: usize,
}

/// Lines in a temporary file, which is gone with the process.
struct Lines {
    file: BufWriter<File>,
    length: u64,
    folder: PathBuf,
}

impl Lines {
    fn new(folder: &Path) -> Result<Self, ArtefactError> {
        let file = tempfile::tempfile_in(folder);
        let file = file.map_err(ArtefactError::io("create a temporary file in", folder))?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER, file),
            length: 0,
            folder: folder.to_owned(),
        })
    }

    fn add(&mut self, line: &[u8]) -> Result<Place, ArtefactError> {
        let written = self.file.write_all(line);
        written.map_err(ArtefactError::io("write a temporary file in", &self.folder))?;
        let (at, length) = (self.length, line.len());
        self.length += length as u64;
        Ok(Place { at, length })
    }

    /// Hands over what was added so far, to be read.
    fn flush(&mut self) -> Result<(), ArtefactError> {
        let flushed = self.file.flush();
        flushed.map_err(ArtefactError::io("write a temporary file in", &self.folder))
    }

    /// The lines at `places`, in their order.
    fn read(&self, places: &[Place]) -> Result<Vec<u8>, ArtefactError> {
        let mut lines = vec![0; places.iter().map(|place| place.length).sum()];
        let mut rest = lines.as_mut_slice();
        for place in places {
            let line = rest.split_off_mut(..place.length).expect("room for all");
            let read = self.file.get_ref().read_exact_at(line, place.at);
            read.map_err(ArtefactError::io("read a temporary file in", &self.folder))?;
        }
        Ok(lines)
    }
}
