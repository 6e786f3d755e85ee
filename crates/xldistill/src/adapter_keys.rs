//! The keys of adapters, checked against the model that gets them before the first stage.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use training::TrainedPart;
use training::classification::ClassificationConfig;
use training::loop_config::{LoopConfig, LoopDefaults};

use crate::backbone_source::BackboneSource;

/// Checks `lora_rank` and `lora_targets` of a `section` against the model, of which it reads no
/// weights.
///
/// # Errors
/// A rank above the width of the model, or a target that is none of its linear layers, with those
/// that there are.
pub fn check(
    section: &str,
    rank: usize,
    targets: &[String],
    model: &BackboneSource,
) -> Result<String> {
    if model.is_missing() {
        // The model's own check says so.
        return Ok("not checked, since the model is missing".to_owned());
    }
    let (width, tensors) = model.layout()?;
    if let Some(width) = width {
        ensure!(
            rank <= width,
            "{section}.lora_rank = {rank}: must be at most {width}, the width of the model; 8 to 64 are usual"
        );
    }
    if let Some(tensors) = tensors {
        let layers: BTreeSet<&str> = tensors
            .iter()
            .filter_map(|name| {
                let layer = name.strip_suffix(".weight")?;
                let last = layer.rsplit('.').next()?;
                let is_block = layer.split('.').any(|part| part.parse::<usize>().is_ok());
                (is_block && !last.to_lowercase().contains("norm")).then_some(last)
            })
            .collect();
        if let Some(target) = targets
            .iter()
            .find(|target| !layers.contains(target.as_str()))
        {
            let layers: Vec<&str> = layers.into_iter().collect();
            bail!(
                "{section}.lora_targets: the model has no linear layer {target:?}; its layers are {}",
                layers.join(", ")
            );
        }
    }
    Ok(format!("rank {rank}"))
}

/// [`check`] of the keys that all trainings of adapters share.
pub fn check_training<D: LoopDefaults>(
    section: &str,
    training: &LoopConfig<D>,
    model: &BackboneSource,
) -> Result<String> {
    check(section, training.lora_rank, &training.lora_targets, model)
}

/// [`check`] of `[classify]`, if adapters are what it trains.
pub fn check_classification(
    config: &ClassificationConfig,
    model: &BackboneSource,
) -> Result<String> {
    match config.method {
        TrainedPart::Lora => check_training("classify.training", &config.training, model),
        TrainedPart::Full | TrainedPart::Head => Ok("none".to_owned()),
    }
}
