//! Writes a stage's files from its journal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::atomic::{self, AtomicFile};
use super::finished::Names;
use super::journal::Journal;
use super::manifest::{Counts, Files, Manifest, file_name};
use super::run::Run;
use super::store::{RowHash, Sizes};
use super::{RowStage, StageError};

impl<S: RowStage> Run<'_, S> {
    /// Stops the stage when too many of the rows so far have something rejected.
    pub(super) fn judge(
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
    pub(super) fn assemble(
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

        let details = self.stage.details(self.inputs)?;
        // From here until the new manifest is there the folder counts as unfinished, and the
        // journal holds every row.
        atomic::remove(&names.manifest)?;
        let output_hash = output_file.commit()?;
        let rejected_hash = rejected_file.commit()?;
        let index_hash = index.commit()?;
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
                output_hash,
                rejected_hash,
                others: BTreeMap::from([(file_name(&names.rows), index_hash)]),
                ..Files::of(names)
            },
            rows_per_second: counts.rows as f64 / seconds.max(1e-6),
            counts,
            details,
            finished_at: seconds_since_1970(),
            seconds,
        };
        manifest.write(&names.manifest)?;
        Ok(manifest)
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

/// The current time, for manifests.
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
