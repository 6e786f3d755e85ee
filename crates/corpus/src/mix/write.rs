//! Writes the transfer set.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::config::MixConfig;
use super::drafts::{Part, TransferSet};
use super::shuffle::Shuffle;
use super::{LeftOut, MixInputs};
use crate::decontamination::EvaluationIndex;
use crate::stage::{
    AtomicFile, Counts, Files, Lock, Manifest, Names, Shard, StageError, atomic, is_intact,
    seconds_since_1970,
};

/// The held-out part of the transfer set, beside the output file.
pub const HELD_OUT_FILE: &str = "held_out.jsonl";

/// Raised when the same inputs and config give another transfer set.
const VERSION: u32 = 2;

/// Where the transfer set goes; the folder is locked as long as this lives.
pub(super) struct Target<'a> {
    folder: &'a Path,
    names: Names,
    rows: u64,
    evaluation_texts: u64,
    parameters: Value,
    fingerprint: String,
    input_hash: String,
    _lock: Lock,
}

impl<'a> Target<'a> {
    pub fn open(
        inputs: &MixInputs<'_>,
        config: &MixConfig,
        folder: &'a Path,
    ) -> Result<Target<'a>, StageError> {
        std::fs::create_dir_all(folder).map_err(StageError::io("create", folder))?;
        let lock = Lock::take(folder, Shard::WHOLE)?;
        let parameters = json!({ "source": inputs.source, "config": config });
        let identity = json!(["mix", VERSION, parameters]).to_string();
        Ok(Target {
            folder,
            names: Names::new(folder, Shard::WHOLE),
            rows: inputs.rows.len(),
            evaluation_texts: inputs.evaluation.map_or(0, EvaluationIndex::len),
            parameters,
            fingerprint: blake3::hash(identity.as_bytes()).to_hex().to_string(),
            input_hash: input_hash(inputs)?,
            _lock: lock,
        })
    }

    /// The manifest of an earlier run with the same inputs and config.
    pub fn unchanged(&self) -> Option<Manifest> {
        let manifest = Manifest::read(self.folder).ok()?;
        let same = manifest.fingerprint == self.fingerprint
            && manifest.input_hash == self.input_hash
            && is_intact(self.folder, &manifest);
        same.then_some(manifest)
    }

    /// The transfer set without its examples.
    pub fn begin(&self) -> TransferSet {
        let held_out = self.folder.join(HELD_OUT_FILE);
        TransferSet::new(Shuffle::new(&self.names.output), Shuffle::new(&held_out))
    }

    /// Writes all files, the manifest last.
    pub fn write(
        self,
        set: TransferSet,
        left_out: &LeftOut,
        started: Instant,
    ) -> Result<Manifest, StageError> {
        let subsets = set.summaries();
        let TransferSet {
            train, held_out, ..
        } = set;
        let (outputs, held_out_rows) = (train.len(), held_out.len());
        if outputs == 0 {
            let why = "no row has what the wanted subsets need, or all are held out".into();
            return Err(StageError::Empty { stage: "mix", why });
        }

        atomic::remove(&self.names.manifest)?;
        let output_hash = write_part(&self.names.output, train)?;
        let held_out_hash = write_part(&self.folder.join(HELD_OUT_FILE), held_out)?;
        let mut counts = Counts {
            rows: self.rows,
            outputs,
            rows_without_output: left_out.contaminated_rows,
            rows_with_rejection: left_out.contaminated_rows,
            ..Counts::default()
        };
        let mut file = AtomicFile::create(&self.names.rejected)?;
        for row in &left_out.rejected {
            counts.rejected_at_source += u64::from(row.stage != "mix");
            counts.count_rejection(&row.field, &row.reason);
            file.write(&line(row)?)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let manifest = Manifest {
            stage: "mix".into(),
            stage_version: VERSION,
            xldistill_version: env!("CARGO_PKG_VERSION").into(),
            fingerprint: self.fingerprint,
            parameters: self.parameters,
            engines: Vec::new(),
            shard: Shard::WHOLE,
            input_hash: self.input_hash,
            files: Files {
                output_hash,
                rejected_hash: file.commit()?,
                others: BTreeMap::from([(HELD_OUT_FILE.to_owned(), held_out_hash)]),
                ..Files::of(&self.names)
            },
            counts,
            details: json!({
                "subsets": subsets,
                "held_out_rows": held_out_rows,
                "evaluation_texts": self.evaluation_texts,
            }),
            finished_at: seconds_since_1970(),
            seconds,
            rows_per_second: self.rows as f64 / seconds.max(1e-6),
        };
        manifest.write(&self.names.manifest)?;
        atomic::sync_folder(self.folder);
        Ok(manifest)
    }
}

/// Writes a part of the transfer set; returns its hash.
fn write_part(path: &Path, part: Part) -> Result<String, StageError> {
    let mut file = AtomicFile::create(path)?;
    part.in_order(|bytes| file.write(bytes))?;
    file.commit()
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, StageError> {
    let line = serde_json::to_vec(value);
    let mut line = line.map_err(|error| StageError::Options(format!("mix: {error}")))?;
    line.push(b'\n');
    Ok(line)
}

fn input_hash(inputs: &MixInputs<'_>) -> Result<String, StageError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(inputs.rows.content_hash()?.as_bytes());
    let mut add = |text: &str| {
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    };
    for corpus in inputs.pairs {
        add(corpus.target.code());
        for (source, target) in &corpus.pairs {
            add(source);
            add(target);
        }
    }
    for text in inputs.monolingual {
        add(text.target.code());
        text.sentences.iter().for_each(|sentence| add(sentence));
    }
    for row in inputs.rejected {
        add(&row.id);
        add(&row.reason);
    }
    if let Some(evaluation) = inputs.evaluation {
        add(&evaluation.content_hash());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
