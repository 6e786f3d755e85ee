//! The loop over steps: evaluations, checkpoints, and restoring the best parameters at the end.

use std::path::Path;
use std::time::Instant;

use artefacts::Provenance;
use artefacts::training::{HeldOutLoss, Metric, described};
use burn::module::Module;
use corpus::progress::Progress;

use super::checkpoint::{self, Kind};
use super::metrics::MetricsLog;
use super::plan::{StepPlan, pack};
use super::recipe::Recipe;
use super::schedule::Schedule;
use super::settings::Settings;
use super::state::TrainerState;
use super::step::{StepResult, train_step};
use super::{RunError, device_of};
use crate::optimizer::AdamW;

/// Trains `network` by `recipe` until the last step or early stopping. Returns it with the
/// parameters of the lowest [`Recipe::criterion`] or, without held-out items, of the last step.
///
/// `folder`, which the caller has locked, receives checkpoints and metrics. A killed run resumes at
/// its last checkpoint, with the same losses as an uninterrupted run; a run that has nothing left
/// to do restores its best parameters.
///
/// # Errors
/// [`RunError::OtherRun`] if the checkpoints in the folder belong to another `provenance`.
pub fn train<R: Recipe>(
    recipe: &R,
    network: R::Network,
    settings: &Settings,
    provenance: Provenance,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(R::Network, TrainerState), R::Error> {
    Run::begin(recipe, network, settings, provenance, folder, progress)?.finish()
}

/// Says for as long as it lives that the work ends by itself when it is interrupted.
struct EndsItself<'a>(&'a dyn Progress);

impl<'a> EndsItself<'a> {
    fn begin(progress: &'a dyn Progress) -> Self {
        progress.ends_itself(true);
        Self(progress)
    }
}

impl Drop for EndsItself<'_> {
    fn drop(&mut self) {
        self.0.ends_itself(false);
    }
}

/// A run between two steps.
struct Run<'a, R: Recipe> {
    recipe: &'a R,
    network: R::Network,
    optimizer: AdamW,
    state: TrainerState,
    metrics: MetricsLog,
    schedule: Schedule,
    steps_per_epoch: usize,
    settings: &'a Settings,
    folder: &'a Path,
    progress: &'a dyn Progress,
    /// Time up to which `state.seconds` counts.
    counted: Instant,
}

impl<'a, R: Recipe> Run<'a, R> {
    /// Starts, or resumes at the newest checkpoint.
    fn begin(
        recipe: &'a R,
        mut network: R::Network,
        settings: &'a Settings,
        provenance: Provenance,
        folder: &'a Path,
        progress: &'a dyn Progress,
    ) -> Result<Self, R::Error> {
        let steps_per_epoch = recipe.steps(settings, 0).len();
        let max_steps = settings.total_steps(steps_per_epoch);
        let mut optimizer = AdamW::default();
        let resumed = checkpoint::newest(folder, &provenance)?;
        let checkpoint = resumed.as_ref().map(|(_, state)| state.global_step);
        let state = match resumed {
            Some((path, state)) => {
                network = recipe.load(network, &path)?;
                optimizer = checkpoint::read_optimizer(&path, &device_of(&network))?;
                let best = state.best_model_checkpoint.as_deref();
                checkpoint::settle(folder, settings.keep_checkpoints, best)
                    .map_err(RunError::from)?;
                let step = state.global_step;
                progress.note(&format!("resuming after step {step} of {max_steps}"));
                state
            }
            None => TrainerState::new(max_steps, provenance),
        };
        Ok(Self {
            recipe,
            network,
            optimizer,
            state,
            metrics: MetricsLog::open(folder, checkpoint).map_err(RunError::from)?,
            schedule: Schedule::new(
                settings.peak_learning_rate,
                settings.final_learning_rate,
                settings.warmup,
                max_steps,
            )
            .decaying(settings.decay),
            steps_per_epoch,
            settings,
            folder,
            progress,
            counted: Instant::now(),
        })
    }

    fn finish(mut self) -> Result<(R::Network, TrainerState), R::Error> {
        self.progress
            .begin("train", Some(self.state.max_steps as u64));
        if self.state.global_step == 0 {
            self.state.before = self.evaluate()?;
        }
        self.progress.already_done(self.state.global_step as u64);
        let _ends_itself = EndsItself::begin(self.progress);
        while !self.is_over() {
            let epoch = self.state.global_step / self.steps_per_epoch;
            let steps = self.recipe.steps(self.settings, epoch);
            for items in &steps[self.state.global_step % self.steps_per_epoch..] {
                self = self.step(items)?;
                if self.is_over() {
                    break;
                }
            }
        }
        self.progress.end();
        self.with_best_parameters()
    }

    fn is_over(&self) -> bool {
        let TrainerState {
            global_step,
            max_steps,
            early_stopping,
            ..
        } = &self.state;
        global_step >= max_steps || early_stopping.exhausted(self.settings.early_stopping_patience)
    }

    /// One optimiser step, and the evaluation and checkpoint due after it.
    fn step(mut self, items: &[usize]) -> Result<Self, R::Error> {
        let started = Instant::now();
        let plan = self.plan(items);
        let step = self.state.global_step;
        let learning_rate = self.schedule.rate(step);
        let (network, result) = train_step(
            self.network,
            &mut self.optimizer,
            &plan,
            step,
            learning_rate,
            self.settings,
            |network: &R::Network, batch: &[usize], place: &_| {
                self.recipe.loss(network, batch, place)
            },
        )?;
        self.network = network;
        self.state.global_step += 1;
        self.state.epoch = self.state.global_step as f64 / self.steps_per_epoch as f64;
        self.state.tokens += result.tokens as u64;
        self.report(result, learning_rate, started.elapsed().as_secs_f64())?;

        let done = self.state.global_step;
        let due = |every: usize| every > 0 && done.is_multiple_of(every);
        let Settings {
            evaluate_every,
            checkpoint_every,
            ..
        } = *self.settings;
        let end_of_epoch = done.is_multiple_of(self.steps_per_epoch);
        let evaluated = done == self.state.max_steps
            || due(evaluate_every)
            || (evaluate_every == 0 && end_of_epoch);
        let improved = evaluated && self.evaluate_and_compare()?;
        // The last state is always kept, so that everything done with the model afterwards can be
        // repeated.
        let keep = self.is_over() || improved || due(checkpoint_every);
        let interrupted = self.progress.is_interrupted();
        if keep || (checkpoint_every == 0 && evaluated) {
            self.checkpoint(Kind::Regular)?;
        } else if interrupted || self.is_due_by_the_clock() {
            self.checkpoint(Kind::Passing)?;
        }
        match interrupted {
            true => Err(RunError::Interrupted {
                step: self.state.global_step,
                max_steps: self.state.max_steps,
            }
            .into()),
            false => Ok(self),
        }
    }

    /// Whether the last checkpoint is too long ago.
    fn is_due_by_the_clock(&self) -> bool {
        let minutes = self.settings.checkpoint_minutes;
        minutes > 0.0 && self.counted.elapsed().as_secs_f64() >= minutes * 60.0
    }

    /// The forward passes of a step over `items`.
    fn plan(&self, items: &[usize]) -> StepPlan {
        match self.settings.tokens_per_batch {
            Some(budget) => pack(items, budget, |item, beside| self.recipe.cost(item, beside)),
            None => items.iter().map(|&item| vec![item]).collect(),
        }
    }

    /// Logs the step's measurements; fails if the loss or gradient is not finite.
    fn report(
        &mut self,
        result: StepResult,
        learning_rate: f64,
        seconds: f64,
    ) -> Result<(), RunError> {
        let StepResult {
            loss, grad_norm, ..
        } = result;
        let step = self.state.global_step;
        if !loss.is_finite() || !grad_norm.is_finite() {
            return Err(match step {
                1 => RunError::NotFinite { loss, grad_norm },
                _ => RunError::Diverged {
                    step,
                    loss,
                    grad_norm,
                    learning_rate,
                    key: self.recipe.learning_rate_key().to_owned(),
                },
            });
        }
        let tokens_per_second = result.tokens as f64 / seconds;
        self.metrics.append(&Metric::Train {
            step,
            epoch: self.state.epoch,
            loss,
            losses: result.parts.means(),
            learning_rate,
            grad_norm,
            tokens: self.state.tokens,
            tokens_per_second,
            time: artefacts::now(),
        })?;
        self.progress
            .status(&format!("loss {loss:.3}, {tokens_per_second:.0} tokens/s"));
        self.progress.advance(1);
        Ok(())
    }

    /// Measures and logs the held-out loss, if there are held-out items.
    fn evaluate(&mut self) -> Result<Option<HeldOutLoss>, R::Error> {
        self.progress.status("measuring the held-out loss");
        let held_out = self.recipe.held_out(&self.network.valid())?;
        if let Some(HeldOutLoss {
            loss,
            losses,
            intervals,
        }) = &held_out
        {
            let step = self.state.global_step;
            let metric = Metric::Evaluation {
                step,
                epoch: self.state.epoch,
                loss: *loss,
                losses: losses.clone(),
                intervals: intervals.clone(),
                time: artefacts::now(),
            };
            self.metrics.append(&metric).map_err(RunError::from)?;
            self.progress.note(&format!(
                "step {step}: held-out loss {loss:.3}{}",
                described(losses)
            ));
        }
        Ok(held_out)
    }

    /// Measures the held-out loss; true if its criterion is the lowest so far.
    fn evaluate_and_compare(&mut self) -> Result<bool, R::Error> {
        let Some(held_out) = self.evaluate()? else {
            return Ok(false);
        };
        let (state, min_delta) = (&mut self.state, self.settings.early_stopping_min_delta);
        let (step, criterion) = (state.global_step, self.recipe.criterion(&held_out));
        let improved = state.early_stopping.observe(step, criterion, min_delta);
        if improved {
            state.best_metric = Some(criterion);
            state.best_model_checkpoint = Some(checkpoint::name(step));
            state.best = Some(held_out);
        }
        Ok(improved)
    }

    fn checkpoint(&mut self, kind: Kind) -> Result<(), R::Error> {
        self.progress.status("writing a checkpoint");
        self.state.seconds += self.counted.elapsed().as_secs_f64();
        self.counted = Instant::now();
        let (recipe, network) = (self.recipe, &self.network);
        checkpoint::write(self.folder, &self.state, kind, &self.optimizer, |path| {
            recipe.save(network, path)
        })?;
        let best = self.state.best_model_checkpoint.as_deref();
        checkpoint::settle(self.folder, self.settings.keep_checkpoints, best)
            .map_err(RunError::from)?;
        Ok(())
    }

    /// Restores the best checkpoint unless it is that of the last step.
    fn with_best_parameters(mut self) -> Result<(R::Network, TrainerState), R::Error> {
        self.state.seconds += self.counted.elapsed().as_secs_f64();
        if let Some(best) = &self.state.best_model_checkpoint
            && *best != checkpoint::name(self.state.global_step)
        {
            let best = self.folder.join(best);
            checkpoint::read(&best)?;
            self.network = self.recipe.load(self.network, &best)?;
        }
        Ok((self.network, self.state))
    }
}
