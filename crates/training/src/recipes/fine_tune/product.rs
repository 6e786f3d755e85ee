//! `train/manifest.json`, written after the trained model: its inputs and its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artefacts::training::{Export, TrainRecord, TrainSummary};
use artefacts::{ArtefactError, MANIFEST_FILE, Manifest, Provenance};
use corpus::record::Example;

use super::config::TrainConfig;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 1;

/// Everything that determines the result of fine-tuning the model of revision `model`.
pub fn provenance(
    config: &TrainConfig,
    model: &str,
    train: &[Example],
    held_out: &[Example],
) -> Provenance {
    let inputs = [
        ("model", model.to_owned()),
        ("training examples", hash(train)),
        ("held-out examples", hash(held_out)),
    ];
    Provenance {
        stage: "train".to_owned(),
        version: VERSION,
        parameters: serde_json::to_value(config.deciding()).expect("a config is plain data"),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    }
}

/// The summary of the finished run in `folder`, if it has this `provenance` and its model in
/// `output` is complete and exported as `config` asks. Then there is nothing to do.
pub fn finished(
    folder: &Path,
    output: &Path,
    config: &TrainConfig,
    provenance: &Provenance,
) -> Result<Option<TrainSummary>, ArtefactError> {
    let manifest = match Manifest::<TrainRecord>::read(&folder.join(MANIFEST_FILE)) {
        // Without a manifest the model is exported again, which costs little.
        Err(ArtefactError::Malformed { .. }) => None,
        manifest => manifest?,
    };
    let is_done = |manifest: &Manifest<TrainRecord>| {
        manifest.provenance == *provenance
            && manifest.results.export == export(config)
            && !manifest.files.is_empty()
            && manifest.is_intact(beside(output))
    };
    Ok(manifest
        .filter(is_done)
        .map(|manifest| manifest.results.summary))
}

/// Writes the manifest into `folder`; the model consists of the files in `directories`.
pub fn finish(
    folder: &Path,
    directories: &[PathBuf],
    config: &TrainConfig,
    provenance: Provenance,
    summary: TrainSummary,
) -> Result<(), ArtefactError> {
    let mut files = BTreeMap::new();
    for directory in directories {
        let entries = fs::read_dir(directory).map_err(ArtefactError::io("list", directory))?;
        for entry in entries {
            let path = entry.map_err(ArtefactError::io("list", directory))?.path();
            if path.is_file() {
                let name = path.strip_prefix(beside(directory)).unwrap_or(&path);
                files.insert(name.display().to_string(), artefacts::hash_file(&path)?);
            }
        }
    }
    let seconds = summary.seconds;
    let record = TrainRecord {
        summary,
        export: export(config),
    };
    let manifest = Manifest::new(provenance, files, record, seconds);
    manifest.write(&folder.join(MANIFEST_FILE))
}

/// The folder that the names of the model's files are relative to.
fn beside(output: &Path) -> &Path {
    output.parent().unwrap_or(Path::new(""))
}

fn export(config: &TrainConfig) -> Export {
    Export {
        precision: config.export_precision.name().to_owned(),
        merged: config.lora_merge,
    }
}

fn hash(examples: &[Example]) -> String {
    artefacts::Key::of(&examples).to_string()
}
