//! A GPU computes what the processor computes: gradients, and steps that learn.
//!
//! Built with a GPU's feature only. `XLDISTILL_TEST_DEVICE` names the device (wgpu); docs/gpu.md
//! says how to run it without a GPU.

use burn::tensor::{Device, Tolerance};
use kernels::Precision;
use models::{ComputeDevice, LanguageModel};
use training::fine_tune::{Method, SupervisedSet, TrainConfig, prepare};
use training::optimizer::{AdamW, trainable};
use training::run::{StepGradients, StepPlan};

use crate::tiny;

fn gpu() -> Device {
    let name = std::env::var("XLDISTILL_TEST_DEVICE").unwrap_or_else(|_| "wgpu".into());
    let device: ComputeDevice = name.parse().unwrap();
    device.open().unwrap()
}

fn model_on(device: &Device) -> LanguageModel {
    LanguageModel::load(tiny::reference().join("tiny"), device).unwrap()
}

#[test]
fn gradients_are_those_of_the_processor() {
    let config = tiny::config();
    let of = |device: Device| {
        let model = model_on(&device);
        let set = SupervisedSet::new(tiny::encoded(&model), &config);
        let network = prepare(model.network, &config).unwrap();
        let plan: StepPlan = vec![(0..set.examples().len()).collect()];
        let names: Vec<String> = trainable(&network).into_keys().collect();
        (names, tiny::gradients(&network, &set, &plan))
    };
    let (names, expected) = of(Device::flex());
    let (_, found) = of(gpu());
    assert!(
        (expected.loss - found.loss).abs() < 1e-4,
        "{} and {}",
        expected.loss,
        found.loss
    );
    for name in names {
        let gradient = |step: &StepGradients| {
            let gradient = step.gradients.get(&name);
            gradient
                .unwrap_or_else(|| panic!("{name} has no gradient"))
                .to_data()
        };
        let tolerance = Tolerance::<f32>::rel_abs(1e-3, 1e-5);
        gradient(&found).assert_approx_eq(&gradient(&expected), tolerance);
    }
}

#[test]
fn steps_learn_what_they_learn_on_the_processor() {
    for method in [Method::Full, Method::Lora] {
        let config = TrainConfig {
            method,
            lora_dropout: 0.0,
            ..tiny::config()
        };
        let losses = |device: Device| {
            device.seed(7);
            let model = model_on(&device);
            let set = SupervisedSet::new(tiny::encoded(&model), &config);
            let mut network = prepare(model.network, &config).unwrap();
            let plan: StepPlan = vec![(0..set.examples().len()).collect()];
            let mut optimizer = AdamW::default();
            let mut losses = Vec::new();
            for step in 0..8 {
                let at = (step, 1e-2);
                let (updated, result) =
                    tiny::train_step(network, &mut optimizer, &set, &plan, at, &config);
                network = updated;
                losses.push(result.loss);
            }
            losses
        };
        let (expected, found) = (losses(Device::flex()), losses(gpu()));
        assert!(
            found[7] < 0.9 * found[0],
            "{method:?} does not learn: {found:?}"
        );
        if method == Method::Full {
            // An adapter begins with random numbers of the device's own.
            for (expected, found) in expected.iter().zip(&found) {
                assert!(
                    (expected - found).abs() < 1e-2 * expected,
                    "{expected} and {found}"
                );
            }
        }
    }
}

#[test]
fn a_precision_that_a_gpu_would_ignore_is_refused() {
    let config = TrainConfig {
        precision: Precision::Bf16,
        ..tiny::config()
    };
    let error = config.validate_on(&gpu().autodiff()).unwrap_err();
    assert_eq!(error.key, "precision");
}
