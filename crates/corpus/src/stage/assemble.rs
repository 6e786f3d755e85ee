//! Writes a stage's files from its journal.

use std::borrow::Cow;
use std::time::Instant;

use artefacts::{AtomicFile, EntryHash, Sizes};
use serde::Deserialize;

use super::manifest::{Counts, Manifest, RowResults};
use super::names::{Names, file_name};
use super::run::{RowJournal, Run};
use super::{RowStage, StageError};

impl<S: RowStage> Run<'_, S> {
    /// Stops the stage when too many of the rows so far have something rejected.
    pub(super) fn judge(
        &self,
        with_rejection: u64,
        journal: &mut RowJournal,
        order: &[EntryHash],
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
            let mut parts = Default::default();
            read_back(journal, hash, &mut parts)?;
            let [_, rejected] = &parts;
            count_rejections(rejected, &mut counts);
            file.write(rejected)?;
        }
        artefacts::remove(&names.manifest)?;
        file.commit()?;
        let mut reasons: Vec<_> = counts.rejections.iter().collect();
        reasons.sort_by_key(|&(reason, count)| (std::cmp::Reverse(count), reason));
        let key = reasons
            .first()
            .and_then(|(reason, _)| self.stage.key_of(reason));
        let reasons = reasons
            .iter()
            .take(3)
            .map(|(reason, count)| format!("{reason} {count}"));
        Err(StageError::TooManyRejected {
            stage: self.stage.name().to_owned(),
            rejected: with_rejection,
            rows,
            reasons: reasons.collect::<Vec<_>>().join(", "),
            key,
            percent: limit * 100.0,
            file: names.rejected,
        })
    }

    /// Writes the stage's files from its complete journal, the manifest last.
    pub(super) fn assemble(
        &self,
        names: &Names,
        journal: &mut RowJournal,
        order: &[EntryHash],
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

        let mut rejected = Vec::new();
        for row in self.rejected_at_source() {
            self.write_line(row, &mut rejected)?;
            counts.rejected_at_source += 1;
            counts.count_rejection(&row.field, &row.reason);
        }
        rejected_file.write(&rejected)?;
        index.write(format!("0\t{}\n", rejected.len()).as_bytes())?;

        let mut parts: [Vec<u8>; 2] = Default::default();
        for hash in order {
            parts.iter_mut().for_each(Vec::clear);
            let sizes = read_back(journal, hash, &mut parts)?;
            let [output, rejected] = &parts;
            counts.outputs += output.iter().filter(|&&byte| byte == b'\n').count() as u64;
            counts.rows_without_output += u64::from(output.is_empty());
            counts.rows_with_rejection += u64::from(!rejected.is_empty());
            count_rejections(rejected, &mut counts);
            output_file.write(output)?;
            rejected_file.write(rejected)?;
            index.write(format!("{sizes}\n").as_bytes())?;
        }

        let details = self.stage.details(self.inputs)?;
        // From here until the new manifest is there the folder counts as unfinished, and the
        // journal holds every row.
        artefacts::remove(&names.manifest)?;
        let files = [
            (&names.output, output_file.commit()?),
            (&names.rejected, rejected_file.commit()?),
            (&names.rows, index.commit()?),
        ];
        let files = files.map(|(path, hash)| (file_name(path), hash)).into();
        let seconds = (journal.worked + started.elapsed()).as_secs_f64();
        let results = RowResults {
            shard: self.options.shard,
            rows_per_second: counts.rows as f64 / seconds.max(1e-6),
            counts,
            details,
        };
        let manifest = Manifest::new(self.provenance.clone(), files, results, seconds);
        manifest.write(&names.manifest)?;
        Ok(manifest)
    }
}

/// Appends a row's output lines and rejected lines from the journal, which holds them.
fn read_back(
    journal: &mut RowJournal,
    hash: &EntryHash,
    parts: &mut [Vec<u8>; 2],
) -> Result<Sizes<2>, StageError> {
    let stored = journal
        .entries
        .get(hash)
        .expect("every row of the order was committed");
    journal.entries.read(&stored, parts)?;
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
