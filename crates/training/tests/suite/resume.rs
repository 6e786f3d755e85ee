//! A killed run goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use artefacts::training::{Metric, TrainSummary};
use burn::tensor::{Device, Tolerance};
use corpus::progress::{Progress, Silent};
use corpus::record::Example;
use kernels::{Precision, Segments};
use models::LanguageModel;
use training::fine_tune::{LearningRate, Method, Places, TrainConfig, TrainError, fine_tune};
use training::run::RunError;

use crate::tiny;

/// Ends the process's work in the middle of a step, as a kill would.
pub struct Kill {
    after: u64,
    done: AtomicU64,
}

impl Kill {
    /// A kill after this many steps.
    pub fn after(after: u64) -> Self {
        let done = AtomicU64::new(0);
        Self { after, done }
    }
}

impl Progress for Kill {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, units: u64) {
        let done = self.done.fetch_add(units, Ordering::Relaxed) + units;
        assert!(done < self.after, "killed after step {done}");
    }
    fn already_done(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}

/// The user interrupts the run after this many steps.
struct Interrupt {
    after: u64,
    done: AtomicU64,
    ends_itself: AtomicU64,
}

impl Interrupt {
    fn after(after: u64) -> Self {
        let (done, ends_itself) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            after,
            done,
            ends_itself,
        }
    }
}

impl Progress for Interrupt {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }
    fn already_done(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn ends_itself(&self, does: bool) {
        self.ends_itself.store(u64::from(does), Ordering::Relaxed);
    }
    fn is_interrupted(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.after
    }
}

/// Trains the tiny model in the run's folder `run`.
pub fn train(
    run: &Path,
    config: &TrainConfig,
    progress: &dyn Progress,
) -> Result<TrainSummary, TrainError> {
    train_on(&tiny::examples(), run, config, progress)
}

/// Trains the tiny model on all but the first two `examples`.
pub fn train_on(
    examples: &[Example],
    run: &Path,
    config: &TrainConfig,
    progress: &dyn Progress,
) -> Result<TrainSummary, TrainError> {
    let (held_out, train) = examples.split_at(2);
    let (folder, output) = (run.join("train"), run.join("model"));
    let places = Places {
        folder: &folder,
        teacher: &run.join("teacher"),
        output: &output,
    };
    fine_tune(
        tiny::model(),
        train,
        held_out,
        config,
        &places,
        None,
        progress,
    )
}

/// Loss, norm and held-out losses of every step, bit by bit; each is logged once.
pub fn curve(run: &Path) -> BTreeMap<(usize, bool), Vec<u64>> {
    let metrics = Metric::read_all(&run.join("train")).unwrap();
    let count = metrics.len();
    let curve: BTreeMap<_, _> = metrics
        .iter()
        .map(|metric| match metric {
            Metric::Train {
                step,
                loss,
                grad_norm,
                learning_rate,
                tokens,
                ..
            } => (
                (*step, false),
                vec![
                    loss.to_bits(),
                    grad_norm.to_bits(),
                    learning_rate.to_bits(),
                    *tokens,
                ],
            ),
            Metric::Evaluation {
                step, loss, losses, ..
            } => {
                let losses = losses.values().chain([loss]).map(|loss| loss.to_bits());
                ((*step, true), losses.collect())
            }
        })
        .collect();
    assert_eq!(curve.len(), count, "something is logged twice");
    curve
}

/// Ten steps, a checkpoint after every second.
pub fn ten_steps(method: Method) -> TrainConfig {
    TrainConfig {
        method,
        lora_rank: 2,
        lora_dropout: 0.1,
        epochs: 5,
        early_stopping_patience: 0,
        checkpoint_every: 2,
        ..tiny::config()
    }
}

pub fn a_killed_run_ends_as_an_undisturbed_one(examples: &[Example], config: TrainConfig) {
    let train = |run: &Path, config: &TrainConfig, progress: &dyn Progress| {
        train_on(examples, run, config, progress)
    };
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed");
    let summary = train(&undisturbed, &config, &Silent).unwrap();
    assert_eq!(summary.steps, 10);

    let killed = folder.path().join("killed");
    for after in [1, 3, 2, 4] {
        let kill = Kill::after(after);
        let outcome = catch_unwind(AssertUnwindSafe(|| train(&killed, &config, &kill)));
        assert!(outcome.is_err(), "the run must not survive");
    }
    let resumed = train(&killed, &config, &Silent).unwrap();
    assert_eq!(curve(&killed), curve(&undisturbed));
    assert_eq!(
        (resumed.best_step, resumed.after),
        (summary.best_step, summary.after.clone())
    );
    for entry in fs::read_dir(undisturbed.join("model")).unwrap() {
        let name = entry.unwrap().file_name();
        let [a, b] =
            [&killed, &undisturbed].map(|run| fs::read(run.join("model").join(&name)).unwrap());
        assert!(a == b, "{name:?} differs");
    }
}

/// The names of what a training left.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains("tfevents"))
        .collect();
    names.sort();
    names
}

#[test]
fn an_interrupted_run_leaves_a_checkpoint_and_loses_no_step() {
    let config = TrainConfig {
        checkpoint_every: 4,
        keep_checkpoints: 2,
        ..ten_steps(Method::Full)
    };
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, interrupted] =
        ["undisturbed", "interrupted"].map(|run| folder.path().join(run));
    train(&undisturbed, &config, &Silent).unwrap();
    let mut done = 0;
    for after in [3, 1, 2] {
        let interrupt = Interrupt::after(after);
        let error = train(&interrupted, &config, &interrupt).unwrap_err();
        done += after;
        let expected = format!("checkpoint was written after step {done} of 10");
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(
            interrupted
                .join(format!("train/checkpoint-{done}"))
                .is_dir()
        );
        assert_eq!(interrupt.ends_itself.load(Ordering::Relaxed), 0);
    }
    // Each step is written down by the clock, too; of these nothing is left.
    let config = TrainConfig {
        checkpoint_minutes: 1e-9,
        ..config
    };
    train(&interrupted, &config, &Silent).unwrap();
    assert_eq!(curve(&interrupted), curve(&undisturbed));
    let [a, b] = [&undisturbed, &interrupted].map(|run| names(&run.join("train")));
    assert_eq!(a, b);
    for name in names(&undisturbed.join("model")) {
        let [a, b] = [&undisturbed, &interrupted]
            .map(|run| fs::read(run.join("model").join(&name)).unwrap());
        assert!(a == b, "{name} differs");
    }
}

#[test]
fn full_fine_tuning_resumes_exactly() {
    a_killed_run_ends_as_an_undisturbed_one(&tiny::examples(), ten_steps(Method::Full));
}

#[test]
fn lora_with_dropout_resumes_exactly() {
    for precision in [Precision::F32, Precision::Int8] {
        let config = TrainConfig {
            precision,
            ..ten_steps(Method::Lora)
        };
        a_killed_run_ends_as_an_undisturbed_one(&tiny::examples(), config);
    }
}

/// The merged model is made of the exact weights, which training in int8 frees.
#[test]
fn an_adapter_trained_beside_int8_weights_is_merged_into_exact_weights() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        precision: Precision::Int8,
        lora_merge: true,
        ..ten_steps(Method::Lora)
    };
    let summary = train(folder.path(), &config, &Silent).unwrap();
    assert!(summary.after.unwrap().loss < summary.before.unwrap().loss);
    let hidden = |name: &str| {
        let model = LanguageModel::load(folder.path().join(name), &Device::flex()).unwrap();
        let hidden = model.network.forward(&[1, 5, 9, 4], &Segments::single(4));
        hidden.into_data()
    };
    let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-4);
    hidden("model-merged").assert_approx_eq(&hidden("model"), tolerance);
}

#[test]
fn training_learns_and_keeps_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        epochs: 12,
        early_stopping_patience: 2,
        ..tiny::config()
    };
    let summary = train(folder.path(), &config, &Silent).unwrap();
    let (before, after) = (summary.before.unwrap(), summary.after.unwrap());
    assert!(
        after.loss < before.loss,
        "{} is not below {}",
        after.loss,
        before.loss
    );
    let evaluations = Metric::read_all(&folder.path().join("train")).unwrap();
    let lowest = evaluations
        .iter()
        .filter_map(|metric| match metric {
            Metric::Evaluation { step, loss, .. } if *step > 0 => Some(*loss),
            _ => None,
        })
        .fold(f64::INFINITY, f64::min);
    assert_eq!(after.loss, lowest);
}

#[test]
fn training_that_diverges_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        learning_rate: LearningRate::Value(1.0),
        weight_decay: 1e30,
        max_grad_norm: 0.0,
        ..tiny::config()
    };
    let error = train(folder.path(), &config, &Silent).unwrap_err();
    let diverged = |error: &TrainError| matches!(error, TrainError::Run(RunError::Diverged { .. }));
    assert!(diverged(&error), "{error}");
    assert!(error.to_string().contains("train.learning_rate"), "{error}");
}
