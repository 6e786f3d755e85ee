//! Fine-tuning from beginning to end.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use corpus::progress::Progress;
use corpus::record::Example;
use models::LanguageModel;
use models::export::ExportError;
use models::llama::{Llama, LoraConfig, LoraTargetError};

use crate::checkpoint::{self, CheckpointError, HeldOutLoss, TrainerState};
use crate::config::{ConfigError, Method, Precision, TrainConfig};
use crate::encode::{EncodeError, Encoded, EncodedSet, Encoder};
use crate::fingerprint::Fingerprint;
use crate::folder_lock::{FolderLock, LockError};
use crate::held_out::held_out_loss;
use crate::metrics::{Metric, MetricsLog, now};
use crate::objective::Objective;
use crate::optimizer::AdamW;
use crate::pack::{StepPlan, plan_epoch, steps_per_epoch};
use crate::parameters::{ParameterFileError, trainable};
use crate::preflight::{length_warnings, model_warnings};
use crate::saved_model::{export, read_checkpoint, write_checkpoint};
use crate::schedule::Schedule;
use crate::step::{StepResult, train_step};
use crate::summary::{Manifest, TrainSummary};

/// Why fine-tuning failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The adapters cannot be attached.
    #[error("train.lora_targets: {0}")]
    Lora(#[from] LoraTargetError),
    /// The examples cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A checkpoint cannot be written or resumed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Parameters of a checkpoint cannot be written or read.
    #[error(transparent)]
    Parameters(#[from] ParameterFileError),
    /// Another process trains here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The metrics cannot be written.
    #[error("{folder}: cannot write metrics: {source}")]
    Metrics {
        /// The training folder.
        folder: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The loss or its gradient is not finite any more.
    #[error(
        "training diverged at step {step}: loss {loss}, gradient norm {grad_norm}; lower \
         train.learning_rate (it was {learning_rate:.2e}) and start again from the last checkpoint"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// Its gradient's norm.
        grad_norm: f64,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// The trained model cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
}

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
            match config.precision {
                // In f32 packing is little beside the products, and the packs twice the weights.
                Precision::F32 => llama,
                Precision::Bf16 => llama.with_frozen_weights(kernels::Precision::Bf16),
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

/// A run between two steps.
struct Run<'a> {
    model: LanguageModel,
    optimizer: AdamW,
    state: TrainerState,
    metrics: MetricsLog,
    objective: Objective,
    schedule: Schedule,
    data: &'a Data,
    config: &'a TrainConfig,
    folder: &'a Path,
    progress: &'a dyn Progress,
    /// Up to when `state.seconds` counts.
    counted: Instant,
}

impl<'a> Run<'a> {
    /// Starts, or goes on from the newest checkpoint.
    fn begin(
        mut model: LanguageModel,
        data: &'a Data,
        config: &'a TrainConfig,
        folder: &'a Path,
        fingerprint: Fingerprint,
        progress: &'a dyn Progress,
    ) -> Result<Self, TrainError> {
        let max_steps = config.epochs * data.steps_per_epoch(config);
        let mut optimizer = AdamW::default();
        let state = match checkpoint::newest(folder, &fingerprint)? {
            Some((path, state)) => {
                model.llama = read_checkpoint(model.llama, config.method, &path)?;
                optimizer = checkpoint::read_optimizer(&path, &model.llama.device())?;
                progress.note(&format!(
                    "resuming after step {} of {max_steps}",
                    state.global_step
                ));
                state
            }
            None => TrainerState::new(max_steps, fingerprint),
        };
        let metrics = MetricsLog::open(folder, state.global_step).map_err(metrics_error(folder))?;
        let peak = data.peak_learning_rate(config);
        Ok(Self {
            model,
            optimizer,
            state,
            metrics,
            objective: Objective::new(config.reduction, &data.train.examples),
            schedule: Schedule::new(peak, config.final_learning_rate, config.warmup, max_steps),
            data,
            config,
            folder,
            progress,
            counted: Instant::now(),
        })
    }

    /// Trains to the last step or until early stopping ends it; gives the best parameters.
    fn finish(mut self) -> Result<(LanguageModel, TrainerState), TrainError> {
        self.progress
            .begin("train", Some(self.state.max_steps as u64));
        self.progress.already_done(self.state.global_step as u64);
        if self.state.global_step == 0 {
            self.state.before = self.evaluate()?;
        }
        let steps_per_epoch = self.data.steps_per_epoch(self.config);
        while !self.is_over() {
            let config = self.config;
            let epoch = self.state.global_step / steps_per_epoch;
            let plans = plan_epoch(&self.data.train.examples, config, epoch);
            for plan in &plans[self.state.global_step % steps_per_epoch..] {
                self = self.step(plan, steps_per_epoch)?;
                if self.is_over() {
                    break;
                }
            }
        }
        self.progress.end();
        self.with_best_parameters()
    }

    fn is_over(&self) -> bool {
        self.state.global_step >= self.state.max_steps
            || self
                .state
                .early_stopping
                .exhausted(self.config.early_stopping_patience)
    }

    /// One optimiser step, and the evaluation and checkpoint that are due after it.
    fn step(mut self, plan: &StepPlan, steps_per_epoch: usize) -> Result<Self, TrainError> {
        let started = Instant::now();
        let step = self.state.global_step;
        let learning_rate = self.schedule.rate(step);
        let (llama, result) = train_step(
            self.model.llama,
            &mut self.optimizer,
            &self.data.train.examples,
            plan,
            &self.objective,
            self.config,
            learning_rate,
            step,
        );
        self.model.llama = llama;
        self.state.global_step += 1;
        self.state.epoch = self.state.global_step as f64 / steps_per_epoch as f64;
        self.state.tokens += result.tokens as u64;
        self.report(&result, learning_rate, started.elapsed().as_secs_f64())?;

        let done = self.state.global_step;
        let due = |every: usize| every > 0 && done.is_multiple_of(every);
        let last = done == self.state.max_steps;
        let end_of_epoch = done.is_multiple_of(steps_per_epoch);
        let evaluate_every = self.config.evaluate_every;
        let evaluated = last || due(evaluate_every) || (evaluate_every == 0 && end_of_epoch);
        let improved = evaluated && self.evaluate_and_compare()?;
        let checkpoint_every = self.config.checkpoint_every;
        if last || improved || due(checkpoint_every) || (checkpoint_every == 0 && evaluated) {
            self.checkpoint()?;
        }
        Ok(self)
    }

    /// Writes the step's metrics; an error if the step went to infinity.
    fn report(
        &mut self,
        result: &StepResult,
        learning_rate: f64,
        seconds: f64,
    ) -> Result<(), TrainError> {
        let StepResult {
            loss, grad_norm, ..
        } = *result;
        let step = self.state.global_step;
        if !loss.is_finite() || !grad_norm.is_finite() {
            return Err(TrainError::Diverged {
                step,
                loss,
                grad_norm,
                learning_rate,
            });
        }
        let tokens_per_second = result.tokens as f64 / seconds;
        let metric = Metric::Train {
            step,
            epoch: self.state.epoch,
            loss,
            losses: result.subsets.means(),
            learning_rate,
            grad_norm,
            tokens: self.state.tokens,
            tokens_per_second,
            time: now(),
        };
        self.metrics
            .append(&metric)
            .map_err(metrics_error(self.folder))?;
        self.progress
            .status(&format!("loss {loss:.3}, {tokens_per_second:.0} tokens/s"));
        self.progress.advance(1);
        Ok(())
    }

    /// Measures and logs the held-out loss, if there are held-out examples.
    fn evaluate(&mut self) -> Result<Option<HeldOutLoss>, TrainError> {
        self.progress.status("measuring the held-out loss");
        let held_out = held_out_loss(&self.model.llama, &self.data.held_out.examples, self.config);
        if let Some(HeldOutLoss { loss, losses }) = &held_out {
            let (step, epoch) = (self.state.global_step, self.state.epoch);
            let metric = Metric::Evaluation {
                step,
                epoch,
                loss: *loss,
                losses: losses.clone(),
                time: now(),
            };
            self.metrics
                .append(&metric)
                .map_err(metrics_error(self.folder))?;
            let subsets: Vec<String> = losses
                .iter()
                .map(|(d, loss)| format!("{} {loss:.3}", d.name()))
                .collect();
            self.progress.note(&format!(
                "step {step}: held-out loss {loss:.3} ({})",
                subsets.join(", ")
            ));
        }
        Ok(held_out)
    }

    /// Measures the held-out loss; true if it is the lowest so far.
    fn evaluate_and_compare(&mut self) -> Result<bool, TrainError> {
        let Some(held_out) = self.evaluate()? else {
            return Ok(false);
        };
        let state = &mut self.state;
        let min_delta = self.config.early_stopping_min_delta;
        let improved = state
            .early_stopping
            .observe(state.global_step, held_out.loss, min_delta);
        if improved {
            state.best_metric = Some(held_out.loss);
            state.best_model_checkpoint = Some(checkpoint::name(state.global_step));
            state.best = Some(held_out);
        }
        Ok(improved)
    }

    fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.progress.status("writing a checkpoint");
        self.state.seconds += self.counted.elapsed().as_secs_f64();
        self.counted = Instant::now();
        let (model, state) = (&self.model, &self.state);
        checkpoint::write(self.folder, state, &self.optimizer, |path| {
            write_checkpoint(model, self.config.method, path).map_err(TrainError::from)
        })?;
        let best = state.best_model_checkpoint.as_deref();
        if let Some(best) = best {
            checkpoint::link_best(self.folder, best)?;
        }
        checkpoint::prune(self.folder, self.config.keep_checkpoints, best)?;
        Ok(())
    }

    /// Goes back to the best checkpoint where it is not the last step.
    fn with_best_parameters(mut self) -> Result<(LanguageModel, TrainerState), TrainError> {
        self.state.seconds += self.counted.elapsed().as_secs_f64();
        if let Some(best) = &self.state.best_model_checkpoint
            && *best != checkpoint::name(self.state.global_step)
        {
            let best = self.folder.join(best);
            self.model.llama = read_checkpoint(self.model.llama, self.config.method, &best)?;
        }
        Ok((self.model, self.state))
    }
}

fn metrics_error(folder: &Path) -> impl FnOnce(io::Error) -> TrainError + '_ {
    move |source| TrainError::Metrics {
        folder: folder.display().to_string(),
        source,
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
