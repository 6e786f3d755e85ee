//! Every parameter that is to be trained gets a gradient, and no other does.

use std::collections::BTreeSet;

use kernels::AdamWStep;
use models::llama::{Llama, tensor_names};
use training::TrainConfig;
use training::config::Method;
use training::encode::Encoded;
use training::objective::Objective;
use training::optimizer::AdamW;
use training::parameters::trainable;
use training::step::{StepGradients, gradients};
use training::trainer::prepare;

use crate::tiny;

fn first_step(llama: &Llama, examples: &[Encoded], config: &TrainConfig) -> StepGradients {
    let objective = Objective::new(config.reduction, examples);
    gradients(
        llama,
        examples,
        &vec![(0..examples.len()).collect()],
        &objective,
        config,
        0,
    )
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
    let llama = prepare(model.llama, &tiny::config()).unwrap();
    let trained: BTreeSet<String> = trainable(&llama).into_keys().collect();
    assert_eq!(trained, tensor_names(&model.config).into_iter().collect());
    let step = first_step(&llama, &examples, &tiny::config());
    for name in trained {
        assert!(norm(&step, &name) > 0.0, "{name} has no gradient");
    }
}

#[test]
fn lora_reaches_its_adapters_and_nothing_else() {
    let _turn = tiny::random_generator();
    let model = tiny::model();
    let examples = tiny::encoded(&model);
    let config = TrainConfig {
        method: Method::Lora,
        lora_rank: 2,
        lora_targets: vec!["q_proj".into(), "down_proj".into()],
        ..tiny::config()
    };
    let llama = prepare(model.llama, &config).unwrap();
    let trained: Vec<String> = trainable(&llama).into_keys().collect();
    assert_eq!(
        trained.len(),
        2 * 2 * 2,
        "A and B of two targets in two layers: {trained:?}"
    );

    let step = first_step(&llama, &examples, &config);
    for name in tensor_names(&model.config) {
        assert!(
            step.gradients.get(&name).is_none(),
            "{name} is frozen but has a gradient"
        );
    }
    // B is zero at first and keeps A's gradient at zero; after one update both move.
    let mut optimizer = AdamW::default();
    let llama = optimizer.step(llama, step.gradients, &AdamWStep::new(1e-2, 1));
    let step = first_step(&llama, &examples, &config);
    for name in &trained {
        assert!(norm(&step, name) > 0.0, "{name} has no gradient");
    }
}
