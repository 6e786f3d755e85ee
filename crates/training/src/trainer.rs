//! Fine-tuning from beginning to end.

mod error;
mod run;

use std::fs;
use std::path::Path;

use burn::module::Module;
use corpus::progress::Progress;
use corpus::record::Example;
use models::llama::{Llama, LoraConfig, LoraTargetError};
use models::{LanguageModel, WeightForm};

use crate::checkpoint::{CheckpointError, TrainerState};
use crate::config::{Method, TrainConfig};
use crate::encode::{EncodeError, Encoded, EncodedSet, Encoder};
use crate::fingerprint::Fingerprint;
use crate::folder_lock::FolderLock;
use crate::metrics::now;
use crate::pack::steps_per_epoch;
use crate::parameters::trainable;
use crate::preflight::{length_warnings, model_warnings};
use crate::saved_model::export;
use crate::summary::{Manifest, TrainSummary};

pub use error::TrainError;
use run::Run;

/// The summary of the finished run in `folder`, if it was started with exactly what `fingerprint`
/// says and its model is still in `output`: then there is nothing to do.
pub fn finished(
    folder: &Path,
    output: &Path,
    fingerprint: &Fingerprint,
) -> Result<Option<TrainSummary>, CheckpointError> {
    let manifest = Manifest::read(folder)?;
    Ok(manifest
        .filter(|m| m.fingerprint == *fingerprint && output.is_dir())
        .map(|m| m.summary))
}

/// Fine-tunes `model` on `train`, keeps the parameters with the lowest loss on `held_out`, and
/// writes them to `output`: a Hugging Face directory, or a PEFT adapter for LoRA.
///
/// `folder` receives checkpoints, metrics and the manifest. A run that was killed goes on from its
/// last checkpoint with the losses it would have had; a finished one only returns its summary.
pub fn fine_tune(
    mut model: LanguageModel,
    train: &[Example],
    held_out: &[Example],
    config: &TrainConfig,
    folder: &Path,
    output: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, TrainError> {
    config.validate()?;
    let fingerprint = Fingerprint::new(config, &model.identity.revision, train, held_out);
    if let Some(summary) = finished(folder, output, &fingerprint)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(|source| CheckpointError::Io {
        path: folder.display().to_string(),
        source,
    })?;
    let _lock = FolderLock::take(folder)?;
    let data = Data::encode(&model, train, held_out, config)?;
    for warning in &data.warnings {
        progress.note(&format!("warning: {warning}"));
    }
    model.llama = prepare(model.llama, config)?;

    let run = Run::begin(model, &data, config, folder, fingerprint, progress)?;
    let (model, state) = run.finish()?;

    let summary = summarise(&state, &data, &model.llama, config);
    export(&model, config, output)?;
    let manifest = Manifest {
        stage: "train".to_string(),
        xldistill_version: env!("CARGO_PKG_VERSION").to_string(),
        fingerprint: state.fingerprint,
        summary,
        finished_at: now(),
    };
    manifest.write(folder)?;
    Ok(manifest.summary)
}

/// The network with the parameters that `config` trains requiring gradients, and no others.
pub fn prepare(llama: Llama, config: &TrainConfig) -> Result<Llama, LoraTargetError> {
    let llama = match config.method {
        Method::Full => llama.merge_lora().unfreeze(),
        Method::Lora => {
            let lora = LoraConfig {
                r: config.lora_rank,
                lora_alpha: config.lora_alpha,
                lora_dropout: config.lora_dropout,
                target_modules: config.lora_targets.clone(),
                use_rslora: false,
            };
            let llama = llama.merge_lora().apply_lora(&lora, config.seed)?;
            match config.weight_form() {
                WeightForm::Frozen(format) => llama.frozen(format),
                _ => llama,
            }
        }
    };
    Ok(llama.recomputing(config.recompute).train())
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
        let (given, train) = (train.len(), encoder.encode(train)?);
        if train.examples.is_empty() {
            let dropped = train.dropped.len();
            return Err(EncodeError::Empty {
                given,
                dropped,
                max_length: config.max_length,
            });
        }
        let held_out = encoder.encode(held_out)?;
        let mut warnings = model_warnings(model, config)?;
        warnings.extend(length_warnings("training", &train, config));
        warnings.extend(length_warnings("held-out", &held_out, config));
        Ok(Self {
            train,
            held_out,
            warnings,
        })
    }

    fn steps_per_epoch(&self, config: &TrainConfig) -> usize {
        steps_per_epoch(self.train.examples.len(), config.examples_per_step)
    }

    fn peak_learning_rate(&self, config: &TrainConfig) -> f64 {
        let answer_tokens: usize = self.train.examples.iter().map(Encoded::answer_tokens).sum();
        config
            .learning_rate
            .peak(answer_tokens as f64 / self.steps_per_epoch(config) as f64)
    }
}

fn summarise(
    state: &TrainerState,
    data: &Data,
    llama: &Llama,
    config: &TrainConfig,
) -> TrainSummary {
    TrainSummary {
        steps: state.global_step,
        planned_steps: state.max_steps,
        epochs: state.epoch,
        best_step: state
            .early_stopping
            .best
            .map_or(state.global_step, |best| best.step),
        before: state.before.clone(),
        after: state.best.clone(),
        training_examples: data.train.examples.len(),
        held_out_examples: data.held_out.examples.len(),
        dropped_examples: data.train.dropped.len(),
        truncated_examples: data.train.truncated.len(),
        trainable_parameters: trainable(llama)
            .values()
            .map(|(shape, _)| shape.iter().product::<usize>())
            .sum(),
        learning_rate: data.peak_learning_rate(config),
        tokens: state.tokens,
        seconds: state.seconds,
        tokens_per_second: state.tokens as f64 / state.seconds,
        warnings: data.warnings.clone(),
    }
}
