//! Every parameter that is to be trained gets a gradient, and no other does.

use std::collections::BTreeSet;

use kernels::{AdamWStep, Precision};
use models::NamedLinears;
use models::Network;
use training::fine_tune::{Encoded, Method, SupervisedSet, TrainConfig, prepare};
use training::optimizer::{AdamW, trainable};
use training::run::StepGradients;

use crate::tiny;

fn first_step(network: &Network, examples: &[Encoded], config: &TrainConfig) -> StepGradients {
    let set = SupervisedSet::new(examples.to_vec(), config);
    tiny::gradients(network, &set, &vec![(0..examples.len()).collect()])
}

fn norm(step: &StepGradients, name: &str) -> f64 {
    step.gradients
        .get(name)
        .map_or(0.0, kernels::sum_of_squares)
}

#[test]
fn full_fine_tuning_reaches_every_tensor() {
    let model = tiny::model();
    let examples = tiny::encoded(&model);
    let network = prepare(model.network, &tiny::config()).unwrap();
    let trained: BTreeSet<String> = trainable(&network).into_keys().collect();
    assert_eq!(trained, tiny::tensor_names());
    let step = first_step(&network, &examples, &tiny::config());
    for name in trained {
        assert!(norm(&step, &name) > 0.0, "{name} has no gradient");
    }
}

#[test]
fn lora_reaches_its_adapters_and_nothing_else() {
    let model = tiny::model();
    let examples = tiny::encoded(&model);
    let config = TrainConfig {
        method: Method::Lora,
        lora_rank: 2,
        lora_targets: vec!["q_proj".into(), "down_proj".into()],
        ..tiny::config()
    };
    let network = prepare(model.network, &config).unwrap();
    let trained: Vec<String> = trainable(&network).into_keys().collect();
    assert_eq!(
        trained.len(),
        2 * 2 * 2,
        "A and B of two targets in two layers: {trained:?}"
    );

    let step = first_step(&network, &examples, &config);
    for name in tiny::tensor_names() {
        assert!(
            step.gradients.get(&name).is_none(),
            "{name} is frozen but has a gradient"
        );
    }
    // B is zero at first and keeps A's gradient at zero; after one update both move.
    let mut optimizer = AdamW::default();
    let network = optimizer.step(network, step.gradients, &AdamWStep::new(1e-2, 1));
    let step = first_step(&network, &examples, &config);
    for name in &trained {
        assert!(norm(&step, name) > 0.0, "{name} has no gradient");
    }
}

/// Loss and gradients beside frozen weights that are rounded, against those beside exact ones.
#[test]
fn frozen_weights_of_any_format_train_alike() {
    let config = |precision| TrainConfig {
        method: Method::Lora,
        lora_rank: 4,
        precision,
        ..tiny::config()
    };
    let step = |precision| {
        let model = tiny::model();
        let examples = tiny::encoded(&model);
        let network = prepare(model.network, &config(precision)).unwrap();
        assert_eq!(network.is_packed(), precision != Precision::F32);
        let step = first_step(&network, &examples, &config(precision));
        let trained = trainable(&network).into_keys();
        // A gets no gradient as long as B is zero.
        let trained: Vec<String> = trained.filter(|name| name.ends_with("lora_b")).collect();
        (step, trained)
    };
    let (exact, trained) = step(Precision::F32);
    assert_eq!(trained.len(), 7 * 2);
    for (precision, loss, share) in [(Precision::Bf16, 2e-3, 0.02), (Precision::Int8, 5e-3, 0.1)] {
        let (rounded, _) = step(precision);
        assert!(
            (rounded.loss / exact.loss - 1.0).abs() < loss,
            "{precision:?}"
        );
        for name in &trained {
            let [rounded, exact] = [&rounded, &exact]
                .map(|step| step.gradients.get(name).expect("a gradient").clone());
            let norm = |values| kernels::sum_of_squares(&values).sqrt();
            let difference = norm(rounded - exact.clone()) / norm(exact);
            assert!(difference < share, "{precision:?} {name}: {difference}");
        }
    }
}
