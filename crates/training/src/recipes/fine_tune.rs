//! Fine-tuning on the transfer set: SDRRL (arXiv 2402.12204) and its baselines.
//!
//! [`fine_tune`] reads in this order: [`Encoder`] turns examples into token ids and marks the
//! supervised ones; [`Objective`] weights every token so that the loss is that of section 3.2.5;
//! [`SupervisedSet`] packs examples, lays a batch out flat and computes its loss; [`FineTune`] is
//! the recipe given to the loop; [`SavedModel`] writes the result.

mod batch;
mod config;
mod encode;
mod error;
mod inspect;
pub mod memory;
mod objective;
mod preflight;
mod product;
mod recipe;
mod saved_model;
mod shared_prompts;
mod supervised_set;

use std::fs;
use std::path::Path;

use artefacts::training::TrainSummary;
use artefacts::{ArtefactError, Lock, MANIFEST_FILE, Manifest};
use corpus::progress::Progress;
use corpus::record::Example;
use models::{LanguageModel, Network};
use serde_json::Value;

use crate::recipes::product::{finish_llm, summary_of};
use crate::run::{TrainerState, steps_per_epoch, train};

pub use batch::Batch;
pub use config::{ConfigError, ExcessLength, LearningRate, Method, Reduction, Rule, TrainConfig};
use encode::max_length;
pub use encode::{EncodeError, Encoded, EncodedSet, Encoder};
pub use error::TrainError;
pub use inspect::{InspectError, Sample, samples};
pub use objective::Objective;
pub use preflight::model_warnings;
use preflight::{learning_rate_warning, length_warnings};
pub use product::{finished, model_key, provenance};
pub use recipe::{FineTune, prepare};
pub use saved_model::{SaveError, SavedModel, merged_directory};
pub use supervised_set::SupervisedSet;

/// Fine-tunes `model` on `examples`, keeps the parameters with the lowest loss on `held_out`, and
/// writes them to `output`: a Hugging Face directory, or a PEFT adapter for LoRA.
///
/// `folder` receives checkpoints, metrics and the manifest. A killed run resumes at its last
/// checkpoint with the same losses as an uninterrupted run. A finished run only returns its
/// summary; if its export settings changed or its model is damaged, the model is exported again.
pub fn fine_tune(
    model: LanguageModel,
    examples: &[Example],
    held_out: &[Example],
    config: &TrainConfig,
    folder: &Path,
    output: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, TrainError> {
    config.validate()?;
    config.validate_on(&model.network.device())?;
    let provenance = provenance(config, &model.identity.revision, examples, held_out);
    if let Some(summary) = finished(folder, output, config, &provenance)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    // In a store, another run may have done it while this one waited for the lock.
    if let Some(summary) = finished(folder, output, config, &provenance)? {
        return Ok(summary);
    }
    let mut data = Data::encode(&model, examples, held_out, config)?;
    let peak = data.peak_learning_rate(config);
    data.warnings.extend(learning_rate_warning(config, peak));
    for warning in &data.warnings {
        progress.note(&format!("warning: {warning}"));
    }
    let finished = Manifest::<Value>::read(&folder.join(MANIFEST_FILE)).ok();
    if let Some(Some(finished)) = finished
        && finished.provenance == provenance
    {
        progress.note(
            "the exported model is missing, modified or in another format: exporting it again",
        );
    }
    let (model, network) = SavedModel::part(model, config.method);
    let network = prepare(network, config)?;
    let settings = config.settings(peak);
    let (recipe, counts) = data.into_recipe(model, config);

    let (network, state) = train(
        &recipe,
        network,
        &settings,
        provenance.clone(),
        folder,
        progress,
    )?;

    let summary = counts.summary(&state, &network, settings.peak_learning_rate);
    let directories =
        recipe
            .model
            .export(&network, config.export_precision, config.lora_merge, output)?;
    finish_llm(
        folder,
        &directories,
        product::export(config),
        provenance,
        summary.clone(),
    )?;
    Ok(summary)
}

/// The examples of a run as token ids.
struct Data {
    train: EncodedSet,
    held_out: EncodedSet,
    warnings: Vec<String>,
}

impl Data {
    fn encode(
        model: &LanguageModel,
        train: &[Example],
        held_out: &[Example],
        config: &TrainConfig,
    ) -> Result<Self, EncodeError> {
        let encoder = Encoder::new(model, config)?;
        let max_length = max_length(model, config);
        let (given, train) = (train.len(), encoder.encode(train)?);
        if train.examples.is_empty() {
            let dropped = train.dropped.len();
            return Err(EncodeError::Empty {
                given,
                dropped,
                max_length,
            });
        }
        let held_out = encoder.encode(held_out)?;
        let mut warnings = model_warnings(model, config)?;
        warnings.extend(length_warnings("training", &train, max_length));
        warnings.extend(length_warnings("held-out", &held_out, max_length));
        Ok(Self {
            train,
            held_out,
            warnings,
        })
    }

    fn peak_learning_rate(&self, config: &TrainConfig) -> f64 {
        let examples = &self.train.examples;
        let answer_tokens: usize = examples.iter().map(Encoded::answer_tokens).sum();
        let steps = steps_per_epoch(examples.len(), config.examples_per_step);
        let tokens: usize = examples.iter().map(|example| example.ids.len()).sum();
        let share = answer_tokens as f64 / tokens as f64;
        config.peak_learning_rate(answer_tokens as f64 / steps as f64, share)
    }

    /// The recipe for the examples, and their counts for the summary.
    fn into_recipe(self, model: SavedModel, config: &TrainConfig) -> (FineTune, Counts) {
        let counts = Counts {
            training_examples: self.train.examples.len(),
            held_out_examples: self.held_out.examples.len(),
            dropped_examples: self.train.dropped.len(),
            truncated_examples: self.train.truncated.len(),
            warnings: self.warnings,
        };
        let recipe = FineTune {
            train: SupervisedSet::new(self.train.examples, config),
            held_out: SupervisedSet::new(self.held_out.examples, config),
            model,
        };
        (recipe, counts)
    }
}

/// Counts of the examples for a summary.
struct Counts {
    training_examples: usize,
    held_out_examples: usize,
    dropped_examples: usize,
    truncated_examples: usize,
    warnings: Vec<String>,
}

impl Counts {
    fn summary(self, state: &TrainerState, network: &Network, learning_rate: f64) -> TrainSummary {
        TrainSummary {
            training_examples: self.training_examples,
            held_out_examples: self.held_out_examples,
            dropped_examples: self.dropped_examples,
            truncated_examples: self.truncated_examples,
            warnings: self.warnings,
            ..summary_of(state, network, learning_rate)
        }
    }
}
