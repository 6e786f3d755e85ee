//! The manifest of a finished training, written after its model.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artefacts::training::{Export, TrainRecord, TrainSummary};
use artefacts::{ArtefactError, MANIFEST_FILE, Manifest, Provenance};
use burn::module::Module;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::optimizer::trainable;
use crate::run::TrainerState;

/// The results of the finished training in `folder`, if it has this `provenance` and its model in
/// `output` is complete.
pub fn finished<T: DeserializeOwned>(
    folder: &Path,
    output: &Path,
    provenance: &Provenance,
) -> Result<Option<T>, ArtefactError> {
    let manifest = match Manifest::<T>::read(&folder.join(MANIFEST_FILE)) {
        // Without a manifest the model is saved again, which costs little.
        Err(ArtefactError::Malformed { .. }) => None,
        manifest => manifest?,
    };
    let is_done = |manifest: &Manifest<T>| {
        manifest.provenance == *provenance
            && !manifest.files.is_empty()
            && manifest.is_intact(beside(output))
    };
    Ok(manifest.filter(is_done).map(|manifest| manifest.results))
}

/// Writes the manifest into `folder`; the model consists of the files in `directories`.
pub fn finish<T: Serialize>(
    folder: &Path,
    directories: &[PathBuf],
    provenance: Provenance,
    results: T,
    seconds: f64,
) -> Result<(), ArtefactError> {
    let mut files = BTreeMap::new();
    for directory in directories {
        hash_all(directory, beside(directory), &mut files)?;
    }
    let manifest = Manifest::new(provenance, files, results, seconds);
    manifest.write(&folder.join(MANIFEST_FILE))
}

/// Adds the hashes of all files below `directory`, named from `base`.
fn hash_all(
    directory: &Path,
    base: &Path,
    files: &mut BTreeMap<String, String>,
) -> Result<(), ArtefactError> {
    let entries = fs::read_dir(directory).map_err(ArtefactError::io("list", directory))?;
    for entry in entries {
        let path = entry.map_err(ArtefactError::io("list", directory))?.path();
        if path.is_dir() {
            hash_all(&path, base, files)?;
        } else if path.is_file() {
            let name = path.strip_prefix(base).unwrap_or(&path);
            files.insert(name.display().to_string(), artefacts::hash_file(&path)?);
        }
    }
    Ok(())
}

/// The summary of the finished training of an LLM in `folder`, if it is also exported as `export`
/// says.
pub fn finished_llm(
    folder: &Path,
    output: &Path,
    export: &Export,
    provenance: &Provenance,
) -> Result<Option<TrainSummary>, ArtefactError> {
    let record: Option<TrainRecord> = finished(folder, output, provenance)?;
    let as_asked = record.filter(|record| record.export == *export);
    Ok(as_asked.map(|record| record.summary))
}

/// Writes the manifest of the training of an LLM.
pub fn finish_llm(
    folder: &Path,
    directories: &[PathBuf],
    export: Export,
    provenance: Provenance,
    summary: TrainSummary,
) -> Result<(), ArtefactError> {
    let seconds = summary.seconds;
    let record = TrainRecord { summary, export };
    finish(folder, directories, provenance, record, seconds)
}

/// The summary of a run of which the loop left `state` and `network`; the recipe adds the counts of
/// its examples.
pub(crate) fn summary_of<M: Module>(
    state: &TrainerState,
    network: &M,
    learning_rate: f64,
) -> TrainSummary {
    let best = state.early_stopping.best;
    let parameters = trainable(network).into_values();
    TrainSummary {
        steps: state.global_step,
        planned_steps: state.max_steps,
        epochs: state.epoch,
        best_step: best.map_or(state.global_step, |best| best.step),
        before: state.before.clone(),
        after: state.best.clone(),
        interpolation: None,
        training_examples: 0,
        held_out_examples: 0,
        dropped_examples: 0,
        truncated_examples: 0,
        trainable_parameters: parameters
            .map(|(shape, _)| shape.iter().product::<usize>())
            .sum(),
        learning_rate,
        tokens: state.tokens,
        seconds: state.seconds,
        tokens_per_second: state.tokens as f64 / state.seconds,
        warnings: Vec::new(),
    }
}

/// The folder that the names of the model's files are relative to.
fn beside(output: &Path) -> &Path {
    output.parent().unwrap_or(Path::new(""))
}
