//! Applies a stage to its rows.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::atomic;
use super::finished::{self, Names};
use super::inputs::{Chunks, Inputs};
use super::journal::{Journal, Record};
use super::lock::Lock;
use super::manifest::Manifest;
use super::store::{RowHash, Sizes, Store};
use super::{Outcome, Rejected, RowStage, StageError, StageOptions};
use crate::progress::Progress;
use crate::record::Row;

/// Rows that make a task for a thread.
const ROWS_PER_TASK: usize = 64;

/// Rows after which the rejected fraction says something.
const ROWS_TO_JUDGE: u64 = 100;

/// Applies `stage` to `inputs` and leaves its files in `folder`, as the [module](super) describes.
///
/// Returns at once where the folder holds the finished result of the same rows, engines and
/// parameters.
pub fn run<S: RowStage>(
    stage: &S,
    inputs: &Inputs<'_, S::Input>,
    folder: &Path,
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<Manifest, StageError> {
    if inputs.is_empty() {
        let why = match inputs.rejected().len() {
            0 => "the stage before it kept none".to_owned(),
            rejected => format!("all {rejected} were rejected where they were read"),
        };
        return Err(StageError::Empty {
            stage: stage.name(),
            why,
        });
    }
    std::fs::create_dir_all(folder).map_err(StageError::io("create", folder))?;
    let _lock = Lock::take(folder, options.shard)?;
    let run = Run {
        stage,
        inputs,
        folder,
        options,
        progress,
        fingerprint: fingerprint(stage),
    };
    let manifest = match run.unchanged()? {
        Some(manifest) => manifest,
        None => run.work()?,
    };
    run.clean_up()?;
    Ok(manifest)
}

/// Identity of a stage with its engines and parameters; part of every row's hash.
fn fingerprint<S: RowStage>(stage: &S) -> String {
    let mut engines = stage.engines();
    // Learning a model's licence does not change what it says.
    engines.iter_mut().for_each(|engine| engine.licence = None);
    let identity =
        serde_json::json!([stage.name(), stage.version(), stage.parameters(), engines]).to_string();
    blake3::hash(identity.as_bytes()).to_hex().to_string()
}

/// One call of [`run`].
pub(super) struct Run<'a, S: RowStage> {
    pub(super) stage: &'a S,
    pub(super) inputs: &'a Inputs<'a, S::Input>,
    pub(super) folder: &'a Path,
    pub(super) options: &'a StageOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) fingerprint: String,
}

/// A chunk of input rows with what identifies them.
struct Chunk<'a, T: Clone> {
    rows: Cow<'a, [T]>,
    hashes: Vec<RowHash>,
    /// Every row as JSON.
    json: Vec<Box<RawValue>>,
}

impl<S: RowStage> Run<'_, S> {
    /// The manifest of an earlier run with the same inputs, if its files are still as it left them.
    fn unchanged(&self) -> Result<Option<Manifest>, StageError> {
        let Ok(Some(manifest)) = Manifest::read_shard(self.folder, self.options.shard) else {
            return Ok(None);
        };
        if manifest.fingerprint != self.fingerprint || !finished::is_intact(self.folder, &manifest)
        {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for chunk in self.chunks()? {
            rows.extend(self.identify(chunk?)?.hashes);
        }
        Ok(Some(manifest).filter(|manifest| manifest.input_hash == self.input_hash(&rows)))
    }

    fn work(&self) -> Result<Manifest, StageError> {
        let names = Names::new(self.folder, self.options.shard);
        let mut journal = Journal::open(&names.journal, self.options.sync_interval)?;
        let mut earlier = finished::earlier(self.folder, self.options.shard)?;
        self.report_earlier(&journal, &earlier);
        let (first, last) = self.rows_of_shard();
        self.progress.begin(self.stage.name(), Some(last - first));
        let done = self.process_all(&mut journal, &mut earlier);
        self.progress.end();
        let (rows, reused) = done?;
        let manifest = self.assemble(&names, &mut journal, &rows, reused)?;
        atomic::sync_folder(self.folder);
        Ok(manifest)
    }

    /// Removes what a finished stage needs no more, of this run or of one that was killed before it
    /// came to that.
    fn clean_up(&self) -> Result<(), StageError> {
        atomic::remove(&Names::new(self.folder, self.options.shard).journal)?;
        if self.options.shard.is_whole() {
            // Every row of the shards is in the merged files now.
            for shard in finished::shards(self.folder)?
                .into_iter()
                .filter(|s| !s.is_whole())
            {
                Names::new(self.folder, shard).remove()?;
                atomic::remove(&self.folder.join(format!(".lock-{}", shard.numbered())))?;
            }
        }
        Ok(())
    }

    fn report_earlier(&self, journal: &Journal, earlier: &Store) {
        let (name, rows) = (self.stage.name(), journal.store.len() + earlier.len());
        if rows > 0 {
            self.progress.note(&format!(
                "{name}: found the results of {rows} rows of earlier runs"
            ));
        }
        if let Ok(Some(manifest)) = Manifest::read_shard(self.folder, self.options.shard)
            && !finished::is_intact(self.folder, &manifest)
        {
            self.progress.note(&format!(
                "{name}: the files in {} are not as the stage left them; they are made again",
                self.folder.display()
            ));
        }
        if journal.discarded > 0 {
            let bytes = journal.discarded;
            self.progress.note(&format!(
                "{name}: discarded {bytes} bytes of an unfinished chunk"
            ));
        }
    }

    /// Brings every row's result into the journal. Returns the rows' hashes in order, and how many
    /// rows an earlier run had done.
    fn process_all(
        &self,
        journal: &mut Journal,
        earlier: &mut Store,
    ) -> Result<(Vec<RowHash>, u64), StageError> {
        let mut order = Vec::new();
        let (mut reused, mut with_rejection) = (0, 0);
        for chunk in self.chunks()? {
            let chunk = self.identify(chunk?)?;
            let started = Instant::now();
            let mut record = Record::default();
            let mut missing = Vec::new();
            for (index, hash) in chunk.hashes.iter().enumerate() {
                if journal.store.get(hash).is_some() {
                    continue;
                }
                match earlier.get(hash) {
                    Some(stored) => {
                        let (mut output, mut rejected) = Default::default();
                        earlier.read(&stored, &mut output, &mut rejected)?;
                        record.add(stored.sizes, &output, &rejected);
                    }
                    None => missing.push(index),
                }
            }
            let rows = chunk.hashes.len() as u64;
            let new = missing.len() as u64;
            self.progress.already_done(rows - new);
            self.process(&chunk, &missing, &mut record)?;
            if !record.is_empty() {
                journal.commit(record, started.elapsed())?;
            }
            self.progress.advance(new);
            reused += rows - new;
            let rejected = |hash| {
                journal
                    .store
                    .get(hash)
                    .is_some_and(|s| s.sizes.rejections > 0)
            };
            with_rejection += chunk.hashes.iter().filter(|hash| rejected(hash)).count() as u64;
            order.extend(chunk.hashes);
            if order.len() as u64 >= ROWS_TO_JUDGE {
                self.judge(with_rejection, journal, &order)?;
            }
        }
        self.judge(with_rejection, journal, &order)?;
        Ok((order, reused))
    }

    /// Has the stage process the `missing` rows of a chunk and adds their results to `record`.
    fn process(
        &self,
        chunk: &Chunk<'_, S::Input>,
        missing: &[usize],
        record: &mut Record,
    ) -> Result<(), StageError> {
        let rows = match missing.len() {
            0 => return Ok(()),
            all if all == chunk.rows.len() => Cow::Borrowed(chunk.rows.as_ref()),
            _ => missing
                .iter()
                .map(|&index| chunk.rows[index].clone())
                .collect(),
        };
        let outcomes = self.stage.process(&rows)?;
        if outcomes.len() != rows.len() {
            return Err(StageError::OutcomeCount {
                stage: self.stage.name(),
                rows: rows.len(),
                outcomes: outcomes.len(),
            });
        }
        let places: Vec<usize> = (0..outcomes.len()).collect();
        let lines = |places: &[usize]| {
            let mut record = Record::default();
            let (mut output, mut rejected) = (Vec::new(), Vec::new());
            for &place in places {
                let (outcome, row, index) = (&outcomes[place], &rows[place], missing[place]);
                output.clear();
                rejected.clear();
                self.write_lines(
                    outcome,
                    row.id(),
                    &chunk.json[index],
                    &mut output,
                    &mut rejected,
                )?;
                let sizes = Sizes {
                    hash: chunk.hashes[index],
                    output: output.len() as u64,
                    rejected: rejected.len() as u64,
                    rejections: outcome.rejections.len() as u32,
                };
                record.add(sizes, &output, &rejected);
            }
            Ok::<_, StageError>(record)
        };
        let records = places.par_chunks(ROWS_PER_TASK).map(lines);
        for part in records.collect::<Result<Vec<_>, _>>()? {
            record.append(part);
        }
        Ok(())
    }

    fn write_lines(
        &self,
        outcome: &Outcome<S::Output>,
        id: &str,
        row: &RawValue,
        output: &mut Vec<u8>,
        rejected: &mut Vec<u8>,
    ) -> Result<(), StageError> {
        for row in &outcome.outputs {
            self.write_line(row, output)?;
        }
        for rejection in &outcome.rejections {
            self.write_line(&rejection.of_row(id, self.stage.name(), row), rejected)?;
        }
        Ok(())
    }

    pub(super) fn write_line(
        &self,
        value: &impl Serialize,
        into: &mut Vec<u8>,
    ) -> Result<(), StageError> {
        serde_json::to_writer(&mut *into, value).map_err(|error| self.unwritable(&error))?;
        into.push(b'\n');
        Ok(())
    }

    fn unwritable(&self, error: &serde_json::Error) -> StageError {
        StageError::Options(format!(
            "{}: a row cannot be written as JSON: {error}",
            self.stage.name()
        ))
    }

    fn chunks(&self) -> Result<Chunks<'_, S::Input>, StageError> {
        let size = self.stage.chunk_rows().max(1);
        let chunks = self.inputs.len().div_ceil(size as u64);
        self.inputs.chunks(size, self.options.shard.chunks(chunks))
    }

    /// First row of the shard, and the one after its last.
    fn rows_of_shard(&self) -> (u64, u64) {
        let size = self.stage.chunk_rows().max(1) as u64;
        let chunks = self.options.shard.chunks(self.inputs.len().div_ceil(size));
        (
            chunks.start * size,
            (chunks.end * size).min(self.inputs.len()),
        )
    }

    /// Rows that were rejected before this stage; the first shard reports them.
    pub(super) fn rejected_at_source(&self) -> &[Rejected] {
        if self.options.shard.index() == 0 {
            self.inputs.rejected()
        } else {
            &[]
        }
    }

    fn identify<'c>(&self, rows: Cow<'c, [S::Input]>) -> Result<Chunk<'c, S::Input>, StageError> {
        let identify = |row: &S::Input| {
            let json = serde_json::value::to_raw_value(row)?;
            Ok((RowHash::of(&self.fingerprint, json.get().as_bytes()), json))
        };
        let identified: Result<Vec<_>, _> = rows
            .par_iter()
            .with_min_len(ROWS_PER_TASK)
            .map(identify)
            .collect();
        let (hashes, json) = identified
            .map_err(|error| self.unwritable(&error))?
            .into_iter()
            .unzip();
        Ok(Chunk { rows, hashes, json })
    }

    pub(super) fn input_hash(&self, rows: &[RowHash]) -> String {
        let mut hasher = blake3::Hasher::new();
        for row in rows {
            hasher.update(row.as_bytes());
        }
        for row in self.rejected_at_source() {
            hasher.update(&serde_json::to_vec(row).unwrap_or_default());
        }
        hasher.finalize().to_hex().to_string()
    }
}
