//! The record of a finished stage that trains models: from what it made them, and in which words it
//! summed up. It is written last; with it, a later run knows without loading a model that there is
//! nothing to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use artefacts::{ArtefactError, Key, Manifest, Provenance};
use serde::{Deserialize, Serialize};
use training::run::trained_from;
use training::states::States;

use crate::checks::Checks;
use crate::kept_training::Trained;
use crate::run::Run;
use crate::stages::{Finished, Stage};
use crate::system::SystemConfig;

/// Name of the record, beside the manifests of the recipes.
const FILE: &str = "stage.json";

/// Name of the file that says, until the record does, from what the stage trains.
const BEGUN: &str = "begun.json";

/// Folders between that of a stage and those of its trainings: a system and a task.
const DEPTH: usize = 2;

/// What a stage leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Summary {
    summary: String,
}

/// A stage with a record, which makes its results whole.
pub trait RecordedStage<C: SystemConfig>: Sync {
    /// As [`Stage::name`].
    fn name(&self) -> &'static str;

    /// As [`Stage::about`].
    fn about(&self) -> &'static str;

    /// As [`Stage::depends_on`].
    fn depends_on(&self) -> &'static [&'static str];

    /// As [`Stage::check`].
    fn check(&self, run: &Run<'_, C>, checks: &mut Checks<'_>) -> Result<()>;

    /// Everything that determines its results. Fails as [`Stage::key`].
    fn provenance(&self, run: &Run<'_, C>) -> Result<Provenance>;

    /// As [`Stage::origin`].
    fn origin(&self, run: &Run<'_, C>, trained: &Trained) -> Result<Provenance> {
        let _ = trained;
        self.provenance(run)
    }

    /// Folders of the run, besides its own, that it fills.
    fn outputs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes its results in `folder` and its outputs, or goes on with them; returns a summary.
    fn make(&self, run: &Run<'_, C>, folder: &Path) -> Result<String>;
}

/// The stage that a recorded one is.
pub struct Recorded<S>(pub S);

impl<C: SystemConfig, S: RecordedStage<C>> Stage<C> for Recorded<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn depends_on(&self) -> &'static [&'static str] {
        self.0.depends_on()
    }

    fn check(&self, run: &Run<'_, C>, checks: &mut Checks<'_>) -> Result<()> {
        self.0.check(run, checks)
    }

    fn key(&self, run: &Run<'_, C>) -> Result<Key> {
        Ok(self.0.provenance(run)?.key())
    }

    fn finished(&self, run: &Run<'_, C>) -> Option<Finished> {
        finished(&run.folder(self.0.name()))
    }

    fn trained(&self, run: &Run<'_, C>) -> Vec<Trained> {
        trained(&run.folder(self.0.name()))
    }

    fn origin(&self, run: &Run<'_, C>, trained: &Trained) -> Result<Provenance> {
        self.0.origin(run, trained)
    }

    fn work(&self, run: &Run<'_, C>) -> Result<String> {
        let stage = &self.0;
        once(run, stage.provenance(run)?, stage.outputs(), |folder| {
            stage.make(run, folder)
        })
    }
}

/// A stage's result, from `folder`.
fn finished(folder: &Path) -> Option<Finished> {
    let record = Manifest::<Summary>::read(&folder.join(FILE)).ok()??;
    Some(Finished {
        key: record.key,
        rows: None,
    })
}

/// What the stage in `folder` has trained, finished or not, all of it from the same.
fn trained(folder: &Path) -> Vec<Trained> {
    let begun = || serde_json::from_slice(&fs::read(folder.join(BEGUN)).ok()?).ok();
    let finished = || {
        let record = Manifest::<Summary>::read(&folder.join(FILE)).ok()??;
        Some(record.provenance)
    };
    let from: Option<Provenance> = begun().or_else(finished);
    let trained = from.filter(|_| has_training(folder, DEPTH)).map(|from| {
        let folder = folder.to_owned();
        Trained { folder, from }
    });
    trained.into_iter().collect()
}

/// Whether there is a training, or states of a teacher, in `folder` or up to `depth` folders below.
fn has_training(folder: &Path, depth: usize) -> bool {
    let has_own = trained_from(folder).is_some()
        || States::made_from(folder).is_ok_and(|made_from| made_from.is_some());
    has_own
        || depth > 0
            && fs::read_dir(folder).is_ok_and(|entries| {
                let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
                let mut folders = folders.filter(|path| path.is_dir());
                folders.any(|folder| has_training(&folder, depth - 1))
            })
}

/// `now` of a stage with several trainings, without what it does not have in common with `then`:
/// inputs that only one has, and the parameters `apart`. What is left decides what both train.
pub fn in_common(now: Provenance, then: &Provenance, apart: &[&str]) -> Provenance {
    let mut now = now;
    let inputs = then.inputs.iter().map(|(name, hash)| {
        let own = now.inputs.get(name).unwrap_or(hash);
        (name.clone(), own.clone())
    });
    now.inputs = inputs.collect();
    for name in apart {
        now.parameters[name] = then.parameters[name].clone();
    }
    now
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
fn once<C: SystemConfig>(
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
    fs::create_dir_all(&folder).map_err(ArtefactError::io("create", &folder))?;
    let begun = folder.join(BEGUN);
    let json = serde_json::to_vec_pretty(&provenance).expect("a provenance is plain data");
    artefacts::write(&begun, &json)?;
    let started = Instant::now();
    let summary = work(&folder)?;
    let results = Summary {
        summary: summary.clone(),
    };
    let seconds = started.elapsed().as_secs_f64();
    Manifest::new(provenance, BTreeMap::new(), results, seconds).write(&path)?;
    artefacts::remove(&begun)?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use artefacts::MANIFEST_FILE;
    use artefacts::training::METRICS_FILE;
    use serde_json::json;

    fn provenance(epochs: u32, inputs: &[(&str, &str)]) -> Provenance {
        let inputs = inputs.iter();
        Provenance {
            stage: "classify".to_owned(),
            version: 1,
            parameters: json!({ "epochs": epochs, "systems": ["a"] }),
            engines: Vec::new(),
            inputs: inputs
                .map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_training_is_found_in_the_folder_of_its_task_before_the_stage_has_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, begun) = (folder.path(), provenance(2, &[("topics", "x")]));
        let key = || trained(folder).first().map(|trained| trained.from.key());
        assert_eq!(key(), None);
        let json = serde_json::to_vec(&begun).unwrap();
        fs::write(folder.join(BEGUN), json).unwrap();
        assert_eq!(key(), None, "nothing was trained yet");
        let own = folder.join("system/topics");
        fs::create_dir_all(&own).unwrap();
        let manifest = Manifest::new(begun.clone(), BTreeMap::new(), json!({}), 1.0);
        manifest.write(&own.join(MANIFEST_FILE)).unwrap();
        assert_eq!(key(), None, "tokens and other results are no training");
        fs::write(own.join(METRICS_FILE), "").unwrap();
        assert_eq!(key(), Some(begun.key()));
    }

    #[test]
    fn a_task_or_system_more_or_less_is_no_difference() {
        let then = provenance(2, &[("model", "m"), ("topics", "x"), ("gone", "y")]);
        let common = |now: Provenance| -> Key { in_common(now, &then, &["systems"]).key() };
        let mut now = provenance(2, &[("model", "m"), ("topics", "x"), ("new", "z")]);
        now.parameters["systems"] = json!(["a", "b"]);
        assert_eq!(common(now), then.key());
        let other = provenance(2, &[("model", "m"), ("topics", "changed")]);
        assert_ne!(common(other), then.key());
        assert_ne!(common(provenance(3, &[("model", "m")])), then.key());
    }
}
