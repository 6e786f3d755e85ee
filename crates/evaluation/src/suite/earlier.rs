//! What earlier evaluations have done.

use std::path::{Path, PathBuf};

use artefacts::ArtefactError;

use super::plan::Planned;
use crate::results::{Results, TaskRecord};

/// The results in a folder, and in the folders that a run with a store had in its place before.
pub struct Earlier {
    results: Vec<(PathBuf, Results)>,
}

/// What an earlier evaluation has done of a task, and whether that is all of it.
pub enum Known {
    /// All its scores.
    Scored(TaskRecord),
    /// The outputs of the model with their scores, but for those of the learned metric.
    Outputs(TaskRecord),
}

impl Earlier {
    /// The results in `folder` and before it.
    pub fn read(folder: &Path) -> Self {
        let folders = std::iter::once(folder.to_owned()).chain(artefacts::earlier(folder));
        let read = |folder: PathBuf| Results::read(&folder).map(|results| (folder, results));
        Self {
            results: folders.filter_map(read).collect(),
        }
    }

    /// The results in `folder` itself.
    pub fn own(&self, folder: &Path) -> Option<&Results> {
        let own = self.results.iter().find(|(place, _)| place == folder);
        own.map(|(_, results)| results)
    }

    /// All results with their folders, the latest first.
    pub fn all(&self) -> impl Iterator<Item = (&Path, &Results)> {
        let all = self.results.iter();
        all.map(|(folder, results)| (folder.as_path(), results))
    }

    /// What is known of a task. Its samples are intact at `path`, or copied there from an earlier
    /// folder.
    pub fn known(
        &self,
        planned: &Planned<'_>,
        path: &Path,
    ) -> Result<Option<Known>, ArtefactError> {
        let key = planned.key();
        let scored = self.find(planned, path, |record, hash| {
            (record.key == key && hash == record.samples_hash).then(|| record.clone())
        })?;
        if scored.is_some() {
            return Ok(scored.map(Known::Scored));
        }
        let outputs = self.find(planned, path, |record, hash| outputs(planned, record, hash))?;
        Ok(outputs.map(|record| match planned.learned {
            Some(_) => Known::Outputs(record),
            None => Known::Scored(record),
        }))
    }

    /// Whether the outputs of a task are known, whatever has scored them.
    pub fn has_outputs(&self, planned: &Planned<'_>) -> bool {
        let wanted = |record: &TaskRecord, hash: &str| outputs(planned, record, hash);
        self.first(&planned.task.name(), wanted).is_some()
    }

    /// The first record of the task `name` that `wanted`, which is also given the hash of its samples,
    /// takes, and the file of these.
    fn first(
        &self,
        name: &str,
        wanted: impl Fn(&TaskRecord, &str) -> Option<TaskRecord>,
    ) -> Option<(PathBuf, TaskRecord)> {
        self.results.iter().find_map(|(folder, results)| {
            let record = results.xldistill.tasks.get(name)?;
            let samples = folder.join(Results::samples_file(name));
            let hash = artefacts::hash_file(&samples).ok()?;
            Some((samples, wanted(record, &hash)?))
        })
    }

    /// The same, with its samples at `path`.
    fn find(
        &self,
        planned: &Planned<'_>,
        path: &Path,
        wanted: impl Fn(&TaskRecord, &str) -> Option<TaskRecord>,
    ) -> Result<Option<TaskRecord>, ArtefactError> {
        let Some((samples, record)) = self.first(&planned.task.name(), wanted) else {
            return Ok(None);
        };
        if samples != path {
            let content = std::fs::read(&samples);
            let content = content.map_err(ArtefactError::io("read", &samples))?;
            artefacts::write(path, &content)?;
        }
        let presentation = planned.presentation();
        Ok(Some(TaskRecord {
            presentation,
            ..record
        }))
    }
}

/// The part of a `record` that the model's outputs are, if they are those that are wanted and its
/// samples, which have this `hash`, are intact. A learned metric may have scored them.
fn outputs(planned: &Planned<'_>, record: &TaskRecord, hash: &str) -> Option<TaskRecord> {
    let scored = record.outputs.as_ref();
    let is_intact = record.is_of(hash);
    let key = scored.map_or(&record.key, |own| &own.key);
    if !is_intact || *key != planned.outputs {
        return None;
    }
    let mut measures = record.measures.clone();
    let own = planned.task.measures();
    measures.retain(|scored| own.iter().any(|own| own.key == scored.measure.key));
    Some(TaskRecord {
        key: key.clone(),
        seconds: scored.map_or(record.seconds, |own| own.seconds),
        measures,
        samples_hash: hash.to_owned(),
        outputs: None,
        ..record.clone()
    })
}
