//! Everything that determines the result of fine-tuning, and its finished result.

use std::path::Path;

use artefacts::training::{Export, Metric, TrainSummary};
use artefacts::{ArtefactError, Key, Provenance};
use corpus::record::Example;

use super::UNMEASURED;
use super::config::TrainConfig;
use crate::recipes::product;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 2;

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

/// The key of the exported model of a run with this `provenance`.
pub fn model_key(config: &TrainConfig, provenance: &Provenance) -> Key {
    export(config).model_key(&provenance.key())
}

/// The summary of the finished run in `folder`, if it has this `provenance` and its model in
/// `output` is complete and exported as `config` asks. Then there is nothing to do.
pub fn finished(
    folder: &Path,
    output: &Path,
    config: &TrainConfig,
    provenance: &Provenance,
) -> Result<Option<TrainSummary>, ArtefactError> {
    product::finished_llm(folder, output, &export(config), provenance)
}

/// A note on measures that `config` asks for, if the finished training in `folder` was not measured
/// by them: they change nothing in the model, so it is not trained again.
pub fn unmeasured(
    folder: &Path,
    config: &TrainConfig,
    summary: &TrainSummary,
) -> Result<Option<String>, ArtefactError> {
    let is_known = |warning: &String| warning.starts_with(UNMEASURED);
    if config.measure.is_empty() || summary.warnings.iter().any(is_known) {
        return Ok(None);
    }
    let metrics = Metric::read_all(folder)?;
    let is_measured = |name: &str| {
        metrics.iter().any(|metric| match metric {
            Metric::Evaluation { losses, .. } => losses.contains_key(name),
            Metric::Train { .. } => false,
        })
    };
    let missing = config.measure.iter();
    let missing = missing.filter(|measure| !is_measured(measure.key()));
    let missing: Vec<&str> = missing.map(|measure| measure.name()).collect();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Ok((!missing.is_empty()).then(|| {
        format!(
            "{UNMEASURED} this training was finished without measuring {}, which changes nothing \
             in the model; to measure, delete {} and train again",
            missing.join(" and "),
            folder.display()
        )
    }))
}

/// The form in which `config` exports the model.
pub(super) fn export(config: &TrainConfig) -> Export {
    Export {
        precision: config.export_precision.name().to_owned(),
        merged: config.lora_merge,
        interpolate: config.interpolate.map(|share| share.to_string()),
    }
}

fn hash(examples: &[Example]) -> String {
    Key::of(&examples).to_string()
}
