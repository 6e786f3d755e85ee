//! The loop with a recipe that knows no language model: a linear regression.

use std::path::Path;

use artefacts::Provenance;
use artefacts::training::{HeldOutLoss, Losses, Metric};
use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use corpus::progress::Silent;
use training::run::{Decay, Loss, Means, Place, Recipe, RunError, Settings, TrainerState, train};

/// y = w·x with one weight.
#[derive(Module, Debug)]
struct Line {
    weight: Param<Tensor<1>>,
}

/// Points of the line of slope 3, half a pass's budget each; they are computed when their batch is.
struct Points;

impl Points {
    const COUNT: usize = 8;

    fn squared_error(network: &Line, item: usize) -> Tensor<1> {
        let x = item as f32 / Self::COUNT as f32 + 0.5;
        (network.weight.val() * x - 3.0 * x).square()
    }
}

impl Recipe for Points {
    type Network = Line;
    type Error = RunError;

    fn learning_rate_key(&self) -> &'static str {
        "points.learning_rate"
    }

    fn items(&self) -> usize {
        Self::COUNT
    }

    fn cost(&self, _: usize, _: &[usize]) -> usize {
        5
    }

    fn loss(&self, network: &Line, batch: &[usize], place: &Place) -> Result<Loss, RunError> {
        assert!(batch.len() <= 2 && batch.iter().all(|item| place.items.contains(item)));
        let mut parts = Means::default();
        let mut sum = Tensor::zeros([1], &network.weight.device());
        for &item in batch {
            let error = Self::squared_error(network, item);
            let parity = ["even", "odd"][item % 2];
            parts.add(parity, error.clone().into_scalar::<f32>().into());
            sum = sum + error;
        }
        let tensor = sum / place.items.len() as f32;
        Ok(Loss {
            value: tensor.clone().into_scalar::<f32>().into(),
            tensor,
            parts,
            tokens: batch.len(),
        })
    }

    fn held_out(&self, network: &Line) -> Result<Option<HeldOutLoss>, RunError> {
        let loss = f64::from(Self::squared_error(network, 3).into_scalar::<f32>());
        let losses = Losses::from([("third".to_owned(), loss)]);
        Ok(Some(HeldOutLoss {
            loss,
            losses,
            ..HeldOutLoss::default()
        }))
    }
}

fn settings() -> Settings {
    Settings {
        epochs: 10,
        max_steps: None,
        items_per_step: 4,
        tokens_per_batch: Some(10),
        seed: 0,
        peak_learning_rate: 0.3,
        final_learning_rate: 0.1,
        warmup: 0.0,
        decay: Decay::Cosine,
        rate_factors: Vec::new(),
        weight_decay: 0.0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        max_grad_norm: 0.0,
        evaluate_every: 0,
        early_stopping_patience: 0,
        early_stopping_min_delta: 0.0,
        checkpoint_every: 3,
        checkpoint_minutes: 0.0,
        keep_checkpoints: 1,
    }
}

fn trained(settings: &Settings, folder: &Path) -> (f32, TrainerState) {
    let device = Device::flex().autodiff();
    let weight = Param::from_tensor(Tensor::zeros([1], &device));
    let provenance = Provenance {
        stage: "line".into(),
        version: 1,
        parameters: serde_json::json!({ "slope": 3 }),
        engines: Vec::new(),
        inputs: Default::default(),
    };
    let network = Line { weight };
    let (network, state) = train(&Points, network, settings, provenance, folder, &Silent).unwrap();
    (network.weight.val().inner().into_scalar::<f32>(), state)
}

#[test]
fn the_loop_trains_whatever_a_recipe_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let (weight, state) = trained(&settings(), folder.path());
    assert_eq!(state.global_step, 20);
    assert!((weight - 3.0).abs() < 0.3, "{weight}");

    let metrics = Metric::read_all(folder.path()).unwrap();
    let names = |metric: &Metric| -> Vec<String> {
        let (Metric::Train { losses, .. } | Metric::Evaluation { losses, .. }) = metric;
        losses.keys().cloned().collect()
    };
    assert_eq!(names(&metrics[0]), ["third"], "before the first step");
    let both = ["even", "odd"];
    assert!(metrics.iter().any(|metric| names(metric) == both));

    // The end is a checkpoint, from which the same parameters come without another step.
    assert_eq!(trained(&settings(), folder.path()).0, weight);
    let again = Metric::read_all(folder.path()).unwrap();
    assert_eq!(again, metrics);
}

#[test]
fn a_run_that_stopped_early_has_nothing_left_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        // No second evaluation can improve by that much, and no checkpoint is due then.
        early_stopping_min_delta: 1e9,
        early_stopping_patience: 1,
        checkpoint_every: 1000,
        ..settings()
    };
    let first = trained(&settings, folder.path());
    assert_eq!(first.1.global_step, 4, "two epochs");
    let metrics = Metric::read_all(folder.path()).unwrap();
    let second = trained(&settings, folder.path());
    assert_eq!(second.0, first.0);
    assert_eq!(Metric::read_all(folder.path()).unwrap(), metrics);
}
