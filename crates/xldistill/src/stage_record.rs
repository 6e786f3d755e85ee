//! The record of a finished stage that trains models: from what it made them, and in which words it
//! summed up. It is written last; with it, a later run knows without loading a model that there is
//! nothing to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use artefacts::{ArtefactError, Manifest, Provenance};
use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::stages::Finished;
use crate::system::SystemConfig;

/// Name of the record, beside the manifests of the recipes.
const FILE: &str = "stage.json";

/// What a stage leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Summary {
    summary: String,
}

/// A stage's result, from `folder`.
pub fn finished(folder: &Path) -> Option<Finished> {
    let record = Manifest::<Summary>::read(&folder.join(FILE)).ok()??;
    Some(Finished {
        key: record.key,
        rows: None,
    })
}

/// The inputs of a stage: the keys of the finished stages that it reads.
///
/// # Errors
/// The first stage that is not finished.
pub fn inputs<C: SystemConfig>(
    run: &Run<'_, C>,
    stages: &[&str],
) -> Result<BTreeMap<String, String>> {
    let key = |stage: &&str| match finished(&run.folder(stage)) {
        Some(finished) => Ok(((*stage).to_owned(), finished.key.to_string())),
        None => {
            let command = stage.replace('_', "-");
            anyhow::bail!(
                "the stage {stage} is not finished: run `xldistill {command}` with this config first"
            )
        }
    };
    stages.iter().map(key).collect()
}

/// Does the `work` of a stage unless its folder has the record of the same, and records it.
/// `outputs` are folders of the run that must be there besides; with a store they, too, are links
/// into it.
pub fn once<C: SystemConfig>(
    run: &Run<'_, C>,
    provenance: Provenance,
    outputs: &[&str],
    work: impl FnOnce(&Path) -> Result<String>,
) -> Result<String> {
    let place = run.place()?;
    let key = provenance.key();
    for output in outputs {
        place.whole_folder(output, &key)?;
    }
    let folder: PathBuf = place.whole_folder(&provenance.stage, &key)?;
    let path = folder.join(FILE);
    let record = match Manifest::<Summary>::read(&path) {
        // It is written anew.
        Err(ArtefactError::Malformed { .. }) => None,
        record => record?,
    };
    let is_there = |output: &&str| run.folder(output).is_dir();
    if let Some(record) = record
        && record.key == key
        && outputs.iter().all(is_there)
    {
        return Ok(record.results.summary);
    }
    std::fs::create_dir_all(&folder).map_err(ArtefactError::io("create", &folder))?;
    let started = Instant::now();
    let summary = work(&folder)?;
    let results = Summary {
        summary: summary.clone(),
    };
    let seconds = started.elapsed().as_secs_f64();
    Manifest::new(provenance, BTreeMap::new(), results, seconds).write(&path)?;
    Ok(summary)
}
