//! Applies a stage to its rows.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::atomic::{self, AtomicFile};
use super::finished::{self, Names};
use super::inputs::Inputs;
use super::journal::{Journal, Record};
use super::lock::Lock;
use super::manifest::{Counts, Files, Manifest};
use super::shard::Shard;
use super::store::{RowHash, Sizes, Store};
use super::{Outcome, Rejected, RowStage, StageError};
use crate::progress::Progress;
use crate::record::Row;

/// How a stage is run; nothing here changes its results.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// Which part of the rows to work on. Once every shard is done (or none of the machines will
    /// come back), a run of [`Shard::WHOLE`] in the same folder merges their results and does
    /// what is missing.
    pub shard: Shard,
    /// The stage stops when a larger share of its rows has something rejected; judged after the
    /// first hundred rows and at the end. 1.0 never stops.
    pub max_rejected_fraction: f64,
    /// How long finished rows may wait before they are forced to the disk. Zero forces every
    /// chunk. A killed process loses none of them; this is for power failures.
    pub sync_interval: Duration,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            shard: Shard::WHOLE,
            max_rejected_fraction: 0.95,
            sync_interval: Duration::from_secs(1),
        }
    }
}

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
    match run.unchanged()? {
        Some(manifest) => Ok(manifest),
        None => run.work(),
    }
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
struct Run<'a, S: RowStage> {
    stage: &'a S,
    inputs: &'a Inputs<'a, S::Input>,
    folder: &'a Path,
    options: &'a StageOptions,
    progress: &'a dyn Progress,
    fingerprint: String,
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
        drop((journal, earlier));
        atomic::remove(&names.journal)?;
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
        atomic::sync_folder(self.folder);
        Ok(manifest)
    }

    fn report_earlier(&self, journal: &Journal, earlier: &Store) {
        let (name, rows) = (self.stage.name(), journal.store.len() + earlier.len());
        if rows > 0 {
            self.progress.note(&format!(
                "{name}: found the results of {rows} rows of earlier runs"
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
        let (mut output, mut rejected) = (Vec::new(), Vec::new());
        for ((outcome, row), &index) in outcomes.iter().zip(rows.iter()).zip(missing) {
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
        /// [`Rejected`], with the row as the JSON it already is.
        #[derive(Serialize)]
        struct Line<'a> {
            id: &'a str,
            stage: &'a str,
            field: &'a str,
            reason: &'a str,
            detail: &'a str,
            row: &'a RawValue,
        }
        for row in &outcome.outputs {
            self.write_line(row, output)?;
        }
        for rejection in &outcome.rejections {
            let stage = self.stage.name();
            let (field, reason, detail) = (rejection.field, rejection.reason, &rejection.detail);
            self.write_line(
                &Line {
                    id,
                    stage,
                    field,
                    reason,
                    detail,
                    row,
                },
                rejected,
            )?;
        }
        Ok(())
    }

    fn write_line(&self, value: &impl Serialize, into: &mut Vec<u8>) -> Result<(), StageError> {
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

    /// Stops the stage when too many of the rows so far have something rejected.
    fn judge(
        &self,
        with_rejection: u64,
        journal: &mut Journal,
        order: &[RowHash],
    ) -> Result<(), StageError> {
        let (rows, limit) = (order.len() as u64, self.options.max_rejected_fraction);
        if with_rejection as f64 <= limit * rows as f64 {
            return Ok(());
        }
        // The rejected rows are what the user needs now; without a manifest the stage stays unfinished.
        let names = Names::new(self.folder, self.options.shard);
        let mut file = AtomicFile::create(&names.rejected)?;
        let mut counts = Counts::default();
        for hash in order {
            let (mut output, mut rejected) = Default::default();
            read_back(journal, hash, &mut output, &mut rejected)?;
            count_rejections(&rejected, &mut counts);
            file.write(&rejected)?;
        }
        atomic::remove(&names.manifest)?;
        file.commit()?;
        let mut reasons: Vec<_> = counts.rejections.iter().collect();
        reasons.sort_by_key(|&(reason, count)| (std::cmp::Reverse(count), reason));
        let reasons = reasons
            .iter()
            .take(3)
            .map(|(reason, count)| format!("{reason} {count}"));
        Err(StageError::TooManyRejected {
            stage: self.stage.name().to_owned(),
            rejected: with_rejection,
            rows,
            reasons: reasons.collect::<Vec<_>>().join(", "),
            percent: limit * 100.0,
            file: names.rejected,
        })
    }

    /// Writes the stage's files from its complete journal, the manifest last.
    fn assemble(
        &self,
        names: &Names,
        journal: &mut Journal,
        order: &[RowHash],
        reused: u64,
    ) -> Result<Manifest, StageError> {
        let started = Instant::now();
        let mut counts = Counts {
            rows: order.len() as u64,
            reused,
            ..Counts::default()
        };
        let mut output_file = AtomicFile::create(&names.output)?;
        let mut rejected_file = AtomicFile::create(&names.rejected)?;
        let mut index = AtomicFile::create(&names.rows)?;

        let (mut output, mut rejected) = (Vec::new(), Vec::new());
        for row in self.rejected_at_source() {
            self.write_line(row, &mut rejected)?;
            counts.rejected_at_source += 1;
            counts.count_rejection(&row.field, &row.reason);
        }
        rejected_file.write(&rejected)?;
        index.write(format!("{}\n", rejected.len()).as_bytes())?;

        for hash in order {
            output.clear();
            rejected.clear();
            let sizes = read_back(journal, hash, &mut output, &mut rejected)?;
            counts.outputs += output.iter().filter(|&&byte| byte == b'\n').count() as u64;
            counts.rows_without_output += u64::from(output.is_empty());
            counts.rows_with_rejection += u64::from(sizes.rejections > 0);
            count_rejections(&rejected, &mut counts);
            output_file.write(&output)?;
            rejected_file.write(&rejected)?;
            index.write(format!("{sizes}\n").as_bytes())?;
        }

        // From here until the new manifest is there the folder counts as unfinished, and the
        // journal holds every row.
        atomic::remove(&names.manifest)?;
        let output_hash = output_file.commit()?;
        let rejected_hash = rejected_file.commit()?;
        index.commit()?;
        let seconds = (journal.worked + started.elapsed()).as_secs_f64();
        let manifest = Manifest {
            stage: self.stage.name().to_owned(),
            stage_version: self.stage.version(),
            xldistill_version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.fingerprint.clone(),
            parameters: self.stage.parameters(),
            engines: self.stage.engines(),
            shard: self.options.shard,
            input_hash: self.input_hash(order),
            files: Files {
                output: file_name(&names.output),
                output_hash,
                rejected: file_name(&names.rejected),
                rejected_hash,
            },
            rows_per_second: counts.rows as f64 / seconds.max(1e-6),
            counts,
            details: Value::Null,
            finished_at: seconds_since_1970(),
            seconds,
        };
        manifest.write(&names.manifest)?;
        Ok(manifest)
    }

    fn chunks(
        &self,
    ) -> Result<impl Iterator<Item = Result<Cow<'_, [S::Input]>, StageError>>, StageError> {
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
    fn rejected_at_source(&self) -> &[Rejected] {
        if self.options.shard.index() == 0 {
            self.inputs.rejected()
        } else {
            &[]
        }
    }

    fn identify<'c>(&self, rows: Cow<'c, [S::Input]>) -> Result<Chunk<'c, S::Input>, StageError> {
        let json = rows
            .iter()
            .map(serde_json::value::to_raw_value)
            .collect::<Result<Vec<_>, _>>();
        let json = json.map_err(|error| self.unwritable(&error))?;
        let hash = |json: &Box<RawValue>| RowHash::of(&self.fingerprint, json.get().as_bytes());
        let hashes = json.iter().map(hash).collect();
        Ok(Chunk { rows, hashes, json })
    }

    fn input_hash(&self, rows: &[RowHash]) -> String {
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

/// Appends a row's result from the journal, which holds it.
fn read_back(
    journal: &mut Journal,
    hash: &RowHash,
    output: &mut Vec<u8>,
    rejected: &mut Vec<u8>,
) -> Result<Sizes, StageError> {
    let stored = journal
        .store
        .get(hash)
        .expect("every row of the order was committed");
    journal.store.read(&stored, output, rejected)?;
    Ok(stored.sizes)
}

fn count_rejections(lines: &[u8], counts: &mut Counts) {
    #[derive(Deserialize)]
    struct Why<'a> {
        #[serde(borrow)]
        field: Cow<'a, str>,
        #[serde(borrow)]
        reason: Cow<'a, str>,
    }
    for line in lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if let Ok(why) = serde_json::from_slice::<Why>(line) {
            counts.count_rejection(&why.field, &why.reason);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The current time, for manifests.
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
