//! Writes the transfer set.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use artefacts::{ArtefactError, Lock, Provenance};
use serde_json::json;

use super::config::MixConfig;
use super::drafts::{TransferSet, add_line};
use super::split::Part;
use super::{LeftOut, MixInputs};
use crate::decontamination::EvaluationIndex;
use crate::stage::{Counts, Manifest, Names, RowResults, Shard, StageError, file_name};

/// The part of the transfer set that chooses the checkpoint, beside the output file.
pub const HELD_OUT_FILE: &str = "held_out.jsonl";

/// The part of the transfer set for the evaluation alone, beside the output file.
pub const TEST_FILE: &str = "test.jsonl";

/// Raised when the same inputs and config give another transfer set.
const VERSION: u32 = 4;

/// Everything that decides the transfer set.
pub(super) fn provenance(
    inputs: &MixInputs<'_>,
    config: &MixConfig,
) -> Result<Provenance, StageError> {
    let mut hashes = BTreeMap::from([
        ("rows".to_owned(), inputs.rows.content_hash()?),
        ("corpora".to_owned(), corpora_hash(inputs)),
    ]);
    if let Some(native) = &inputs.native {
        hashes.insert("native".to_owned(), native.content_hash()?);
    }
    if let Some(evaluation) = inputs.evaluation {
        hashes.insert("evaluation".to_owned(), evaluation.content_hash());
    }
    Ok(Provenance {
        stage: "mix".into(),
        version: VERSION,
        parameters: json!({ "source": inputs.source, "config": config }),
        engines: Vec::new(),
        inputs: hashes,
    })
}

/// The folder of the transfer set, locked as long as this lives.
pub(super) struct Target<'a> {
    folder: &'a Path,
    names: Names,
    provenance: Provenance,
    _lock: Lock,
}

impl<'a> Target<'a> {
    pub fn open(
        inputs: &MixInputs<'_>,
        config: &MixConfig,
        folder: &'a Path,
    ) -> Result<Target<'a>, StageError> {
        std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
        let lock = Lock::whole(folder)?;
        Ok(Target {
            folder,
            names: Names::new(folder, Shard::WHOLE),
            provenance: provenance(inputs, config)?,
            _lock: lock,
        })
    }

    /// The manifest of an earlier run with the same inputs and config.
    pub fn unchanged(&self) -> Option<Manifest> {
        let manifest = Manifest::read(&self.names.manifest).ok()??;
        (manifest.key == self.provenance.key() && manifest.is_intact(self.folder))
            .then_some(manifest)
    }

    /// Writes all files, the manifest last.
    pub fn write(
        self,
        set: &mut TransferSet,
        left_out: &LeftOut,
        inputs: &MixInputs<'_>,
        started: Instant,
    ) -> Result<Manifest, StageError> {
        if !set.has(Part::Train) {
            let why = "no row has what the wanted subsets need, or all are held out".into();
            return Err(StageError::Empty { stage: "mix", why });
        }
        artefacts::remove(&self.names.manifest)?;
        let held_out = self.folder.join(HELD_OUT_FILE);
        let test = self.folder.join(TEST_FILE);
        let (outputs, output_hash) = set.write(Part::Train, &self.names.output)?;
        let (held_out_rows, held_out_hash) = set.write(Part::Validation, &held_out)?;
        let (test_rows, test_hash) = set.write(Part::Test, &test)?;
        let mut counts = Counts {
            rows: inputs.rows.len(),
            outputs,
            rows_without_output: left_out.contaminated_rows,
            rows_with_rejection: left_out.contaminated_rows,
            ..Counts::default()
        };
        let mut rejected = Vec::new();
        for row in &left_out.rejected {
            counts.rejected_at_source += u64::from(row.stage != "mix");
            counts.count_rejection(&row.field, &row.reason);
            add_line(&mut rejected, row)?;
        }
        let rejected_hash = artefacts::write(&self.names.rejected, &rejected)?;
        let files = [
            (file_name(&self.names.output), output_hash),
            (HELD_OUT_FILE.to_owned(), held_out_hash),
            (TEST_FILE.to_owned(), test_hash),
            (file_name(&self.names.rejected), rejected_hash),
        ];
        let seconds = started.elapsed().as_secs_f64();
        let results = RowResults {
            shard: Shard::WHOLE,
            details: json!({
                "subsets": set.summaries(),
                "answers": left_out.answers,
                "held_out_rows": held_out_rows,
                "test_rows": test_rows,
                "evaluation_texts": inputs.evaluation.map_or(0, EvaluationIndex::len),
            }),
            rows_per_second: counts.rows as f64 / seconds.max(1e-6),
            counts,
        };
        let manifest = Manifest::new(self.provenance, files.into(), results, seconds);
        manifest.write(&self.names.manifest)?;
        artefacts::sync_folder(self.folder);
        Ok(manifest)
    }
}

fn corpora_hash(inputs: &MixInputs<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
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
    hasher.finalize().to_hex().to_string()
}
