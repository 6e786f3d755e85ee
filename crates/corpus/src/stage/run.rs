//! Applies a stage to its rows.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use artefacts::{ArtefactError, Entries, EntryHash, Journal, Key, Lock, Provenance, Record};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::finished;
use super::inputs::{Chunks, Inputs};
use super::manifest::Manifest;
use super::names::Names;
use super::{Outcome, Partial, Rejected, RowStage, StageError, StageOptions};
use crate::progress::Progress;
use crate::record::Row;

/// Results of rows until the stage is finished: output lines and rejected lines.
pub(super) type RowJournal = Journal<2>;

/// Rows that make a task for a thread.
const ROWS_PER_TASK: usize = 64;

/// Rows after which the rejected fraction says something.
const ROWS_TO_JUDGE: u64 = 100;

/// Applies `stage` to `inputs` and leaves its files in `folder`, as the [module](super) describes.
///
/// Returns at once if the folder holds the finished result of the same rows, engines and
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
            rejected => format!("all {rejected} were rejected while reading"),
        };
        return Err(StageError::Empty {
            stage: stage.name(),
            why,
        });
    }
    std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = options.shard.lock(folder)?;
    let provenance = provenance(stage, inputs)?;
    let run = Run {
        stage,
        inputs,
        folder,
        options,
        progress,
        method: provenance.method_key(),
        provenance,
    };
    let manifest = match run.unchanged() {
        Some(manifest) => manifest,
        None => run.work()?,
    };
    run.clean_up()?;
    Ok(manifest)
}

/// The key of what [`run`] makes of `inputs`, whatever the shard.
pub fn key<S: RowStage>(stage: &S, inputs: &Inputs<'_, S::Input>) -> Result<Key, StageError> {
    Ok(provenance(stage, inputs)?.key())
}

/// Number of chunks that the rows of `inputs` make: of more shards, some have no rows.
pub fn most_shards<S: RowStage>(stage: &S, inputs: &Inputs<'_, S::Input>) -> u64 {
    inputs.len().div_ceil(stage.chunk_rows().max(1) as u64)
}

fn provenance<S: RowStage>(
    stage: &S,
    inputs: &Inputs<'_, S::Input>,
) -> Result<Provenance, StageError> {
    Ok(Provenance {
        stage: stage.name().to_owned(),
        version: stage.version(),
        parameters: stage.parameters(),
        engines: stage.engines(),
        inputs: [("rows".to_owned(), inputs.content_hash()?)].into(),
    })
}

/// One call of [`run`].
pub(super) struct Run<'a, S: RowStage> {
    pub(super) stage: &'a S,
    pub(super) inputs: &'a Inputs<'a, S::Input>,
    pub(super) folder: &'a Path,
    pub(super) options: &'a StageOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) provenance: Provenance,
    /// Part of every row's hash.
    method: Key,
}

/// A chunk of input rows with what identifies them.
struct Chunk<'a, T: Clone> {
    rows: Cow<'a, [T]>,
    hashes: Vec<EntryHash>,
    /// Every row as JSON.
    json: Vec<Box<RawValue>>,
}

impl<S: RowStage> Run<'_, S> {
    /// The manifest of an earlier run with the same inputs, if its files are still as it left them.
    fn unchanged(&self) -> Option<Manifest> {
        let manifest = self.manifest()?;
        (manifest.key == self.provenance.key() && manifest.is_intact(self.folder))
            .then_some(manifest)
    }

    /// The manifest that an earlier run left, if it can be read.
    fn manifest(&self) -> Option<Manifest> {
        let path = Names::new(self.folder, self.options.shard).manifest;
        let manifest = Manifest::read(&path).ok()??;
        (manifest.results.shard == self.options.shard).then_some(manifest)
    }

    fn work(&self) -> Result<Manifest, StageError> {
        let names = Names::new(self.folder, self.options.shard);
        let mut journal = RowJournal::open(&names.journal, self.options.sync_interval)?;
        let mut earlier = finished::earlier(self.folder, self.options.shard)?;
        self.report_earlier(&journal, &earlier);
        let (first, last) = self.rows_of_shard();
        if first == last {
            let most = most_shards(self.stage, self.inputs);
            let (name, shard) = (self.stage.name(), self.options.shard);
            self.progress.note(&format!(
                "{name}: shard {shard} has no rows: {} rows are enough for {most} of {} shards",
                self.inputs.len(),
                shard.count()
            ));
        }
        self.progress.begin(self.stage.name(), Some(last - first));
        let done = self.process_all(&mut journal, &mut earlier);
        self.progress.end();
        let (rows, reused) = done?;
        let manifest = self.assemble(&names, &mut journal, &rows, reused)?;
        artefacts::sync_folder(self.folder);
        Ok(manifest)
    }

    /// Removes what a finished stage no longer needs, of this run or of one that was killed before it
    /// came to that.
    fn clean_up(&self) -> Result<(), StageError> {
        artefacts::remove(&Names::new(self.folder, self.options.shard).journal)?;
        if self.options.shard.is_whole() {
            // Every row of the shards is in the merged files now.
            for shard in finished::shards(self.folder)?
                .into_iter()
                .filter(|s| !s.is_whole())
            {
                Names::new(self.folder, shard).remove()?;
                artefacts::remove(&self.folder.join(Lock::part_file(&shard.numbered())))?;
            }
        }
        Ok(())
    }

    fn report_earlier(&self, journal: &RowJournal, earlier: &Entries<2>) {
        let (name, rows) = (self.stage.name(), journal.entries.len() + earlier.len());
        if rows > 0 {
            self.progress.note(&format!(
                "{name}: found the results of {rows} rows of earlier runs"
            ));
        }
        if self
            .manifest()
            .is_some_and(|manifest| !manifest.is_intact(self.folder))
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
        journal: &mut RowJournal,
        earlier: &mut Entries<2>,
    ) -> Result<(Vec<EntryHash>, u64), StageError> {
        let mut order = Vec::new();
        let (mut reused, mut with_rejection) = (0, 0);
        for chunk in self.chunks()? {
            let chunk = self.identify(chunk?)?;
            let started = Instant::now();
            let mut record = Record::default();
            let mut missing = Vec::new();
            for (index, hash) in chunk.hashes.iter().enumerate() {
                if journal.entries.get(hash).is_some() {
                    continue;
                }
                match earlier.get(hash) {
                    Some(stored) => {
                        let mut parts = Default::default();
                        earlier.read(&stored, &mut parts)?;
                        record.add(*hash, &parts);
                    }
                    None => missing.push(index),
                }
            }
            let rows = chunk.hashes.len() as u64;
            let new = missing.len() as u64;
            self.progress.already_done(rows - new);
            let stopped = self.process(&chunk, &missing, &mut record)?;
            if !record.is_empty() {
                journal.commit(record, started.elapsed())?;
            }
            if let Some(error) = stopped {
                return Err(error);
            }
            self.progress.advance(new);
            reused += rows - new;
            let rejected = |hash| {
                let stored = journal.entries.get(hash);
                stored.is_some_and(|stored| stored.sizes.bytes[1] > 0)
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

    /// Has the stage process the `missing` rows of a chunk and adds their results to `record`. Returns
    /// the reason the stage stopped before it came to all of them.
    fn process(
        &self,
        chunk: &Chunk<'_, S::Input>,
        missing: &[usize],
        record: &mut Record<2>,
    ) -> Result<Option<StageError>, StageError> {
        let rows = match missing.len() {
            0 => return Ok(None),
            all if all == chunk.rows.len() => Cow::Borrowed(chunk.rows.as_ref()),
            _ => missing
                .iter()
                .map(|&index| chunk.rows[index].clone())
                .collect(),
        };
        let Partial { outcomes, stopped } = self.stage.process_partly(&rows);
        if outcomes.len() != rows.len() {
            if let Some(error) = stopped {
                return Err(error);
            }
            return Err(StageError::OutcomeCount {
                stage: self.stage.name(),
                rows: rows.len(),
                outcomes: outcomes.len(),
            });
        }
        let missed = outcomes.iter().any(Option::is_none);
        if missed && stopped.is_none() {
            let (rows, outcomes) = (rows.len(), outcomes.iter().flatten().count());
            let stage = self.stage.name();
            return Err(StageError::OutcomeCount {
                stage,
                rows,
                outcomes,
            });
        }
        let done: Vec<_> = outcomes.iter().enumerate().collect();
        let lines = |done: &[(usize, &Option<Outcome<S::Output>>)]| {
            let mut record = Record::default();
            let mut parts: [Vec<u8>; 2] = Default::default();
            for &(place, outcome) in done {
                let Some(outcome) = outcome else { continue };
                let (row, index) = (&rows[place], missing[place]);
                parts.iter_mut().for_each(Vec::clear);
                self.write_lines(outcome, row.id(), &chunk.json[index], &mut parts)?;
                record.add(chunk.hashes[index], &parts);
            }
            Ok::<_, StageError>(record)
        };
        let records = done.par_chunks(ROWS_PER_TASK).map(lines);
        for part in records.collect::<Result<Vec<_>, _>>()? {
            record.append(part);
        }
        Ok(stopped)
    }

    fn write_lines(
        &self,
        outcome: &Outcome<S::Output>,
        id: &str,
        row: &RawValue,
        [output, rejected]: &mut [Vec<u8>; 2],
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
        let chunks = self
            .options
            .shard
            .chunks(most_shards(self.stage, self.inputs));
        self.inputs.chunks(self.stage.chunk_rows().max(1), chunks)
    }

    /// First row of the shard, and the one after its last.
    fn rows_of_shard(&self) -> (u64, u64) {
        let size = self.stage.chunk_rows().max(1) as u64;
        let chunks = self
            .options
            .shard
            .chunks(most_shards(self.stage, self.inputs));
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
            Ok((EntryHash::of(&self.method, json.get().as_bytes()), json))
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
}
