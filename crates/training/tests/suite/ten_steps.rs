//! Ten optimiser steps against PyTorch (`reference/training/export.py`).

use std::collections::BTreeMap;
use std::fs;

use burn::module::Module;
use corpus::record::Subset;
use serde::Deserialize;
use training::fine_tune::{Encoded, SupervisedSet, TrainConfig, prepare};
use training::optimizer::AdamW;
use training::run::{Schedule, StepPlan};

use crate::tiny;

#[derive(Deserialize)]
struct Record {
    settings: Settings,
    examples: Vec<ExampleRecord>,
    plans: Vec<StepPlan>,
    curve: Vec<StepRecord>,
    first_gradient_norms: BTreeMap<String, f64>,
    losses_after: Vec<f64>,
}

#[derive(Deserialize)]
struct Settings {
    steps: usize,
    learning_rate: f64,
    final_learning_rate: f64,
    warmup: f64,
    weight_decay: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    max_grad_norm: f64,
}

#[derive(Deserialize)]
struct ExampleRecord {
    subset: Subset,
    ids: Vec<u32>,
    answer_start: usize,
    weight: f64,
}

#[derive(Deserialize)]
struct StepRecord {
    loss: f64,
    grad_norm: f64,
    learning_rate: f64,
}

fn record() -> (Record, Vec<Encoded>, TrainConfig) {
    let text = fs::read_to_string(tiny::reference().join("ten_steps.json")).unwrap();
    let record: Record = serde_json::from_str(&text).unwrap();
    let examples = record
        .examples
        .iter()
        .map(|example| Encoded {
            id: String::new(),
            subset: example.subset,
            ids: example.ids.clone(),
            answer_start: example.answer_start,
            teacher_prompt: None,
        })
        .collect();
    let settings = &record.settings;
    let config = TrainConfig {
        weight_decay: settings.weight_decay,
        beta1: settings.beta1,
        beta2: settings.beta2,
        epsilon: settings.epsilon,
        max_grad_norm: settings.max_grad_norm,
        ..TrainConfig::default()
    };
    (record, examples, config)
}

#[test]
fn ten_steps_follow_pytorch() {
    let (record, examples, config) = record();
    let settings = &record.settings;
    let schedule = Schedule::new(
        settings.learning_rate,
        settings.final_learning_rate,
        settings.warmup,
        settings.steps,
    );
    let set = SupervisedSet::new(examples.clone(), &config);
    for (example, recorded) in examples.iter().zip(&record.examples) {
        let weight = set.objective().weight(example);
        assert!((weight - recorded.weight).abs() < 1e-12, "{weight}");
    }
    let mut network = prepare(tiny::model().network, &config).unwrap();
    let mut optimizer = AdamW::default();
    for (step, (plan, expected)) in record.plans.iter().zip(&record.curve).enumerate() {
        let rate = schedule.rate(step);
        assert!(
            (rate - expected.learning_rate).abs() < 1e-9,
            "rate of step {step}"
        );
        let (updated, result) =
            tiny::train_step(network, &mut optimizer, &set, plan, (step, rate), &config);
        network = updated;
        let (loss, norm) = (result.loss, result.grad_norm);
        assert!(
            (loss - expected.loss).abs() < 1e-3,
            "step {step}: {loss}, not {}",
            expected.loss
        );
        let relative = (norm - expected.grad_norm).abs() / expected.grad_norm;
        assert!(
            relative < 1e-3,
            "step {step}: norm {norm}, not {}",
            expected.grad_norm
        );
    }
    let network = network.valid();
    for (example, expected) in examples.into_iter().zip(&record.losses_after) {
        let example = SupervisedSet::new(vec![example], &config);
        let loss = example.held_out_loss(&network).unwrap().unwrap().loss;
        assert!(
            (loss - expected).abs() < 1e-3,
            "after: {loss}, not {expected}"
        );
    }
}

#[test]
fn every_gradient_has_pytorchs_norm() {
    let (record, examples, config) = record();
    let set = SupervisedSet::new(examples, &config);
    let network = prepare(tiny::model().network, &config).unwrap();
    let step = tiny::gradients(&network, &set, &record.plans[0]);
    for (name, expected) in &record.first_gradient_norms {
        let norm = kernels::sum_of_squares(step.gradients.get(name).unwrap()).sqrt();
        assert!(
            (norm - expected).abs() < 1e-4,
            "{name}: {norm}, not {expected}"
        );
    }
}
