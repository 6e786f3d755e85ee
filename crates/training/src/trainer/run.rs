//! The loop over steps: evaluations, checkpoints, and the best parameters in the end.

use std::io;
use std::path::Path;
use std::time::Instant;

use corpus::progress::Progress;
use models::LanguageModel;

use super::{Data, TrainError};
use crate::checkpoint::{self, HeldOutLoss, TrainerState};
use crate::config::TrainConfig;
use crate::fingerprint::Fingerprint;
use crate::held_out::held_out_loss;
use crate::metrics::{Metric, MetricsLog, now};
use crate::objective::Objective;
use crate::optimizer::AdamW;
use crate::pack::{StepPlan, plan_epoch};
use crate::saved_model::{read_checkpoint, write_checkpoint};
use crate::schedule::Schedule;
use crate::step::{StepResult, train_step};

/// A run between two steps.
pub(super) struct Run<'a> {
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
    pub fn begin(
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
    pub fn finish(mut self) -> Result<(LanguageModel, TrainerState), TrainError> {
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
