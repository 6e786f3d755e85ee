//! Losses, gradients and ten steps equal PyTorch's.

use std::convert::Infallible;

use artefacts::Provenance;
use burn::tensor::TensorData;
use corpus::labelled::TaskData;
use corpus::progress::Silent;
use models::{Head, HeadKind};
use training::classification::{Classification, ClassificationConfig};
use training::optimizer::{AdamW, trainable};
use training::run::{Place, Recipe, Schedule, StepGradients, gradients, train_step};
use training::states::{Layout, States, StatesError};
use training::task_distillation::{DistillationConfig, TaskDistillation, TeacherStates};
use training::{EncodedTask, HeadedNetwork, Preparation, Start, Task, TrainedPart};

use crate::fixture::{Tensors, adapted_llm, adapted_stack, device, expected, pairs, questions};

fn head(task: &Task<'_>, values: Vec<f32>) -> Head {
    let width = 32;
    let shape = [values.len() / width, width];
    Head::from_values(
        values,
        shape,
        task.kind(),
        task.data.labels.clone(),
        &device(),
    )
}

fn prepared(start: Start, head: Head, train_heads: bool) -> (models::Backbone, HeadedNetwork) {
    let network = HeadedNetwork {
        backbone: start.network,
        heads: vec![head],
    };
    let preparation = Preparation {
        part: TrainedPart::Lora,
        train_heads,
        train_projection: false,
        lora: Default::default(),
        form: models::WeightForm::Parameters,
        recompute: false,
        seed: 0,
    };
    (start.backbone, network.prepare(&preparation).unwrap())
}

/// Loss and gradients of one step over all items, in these passes.
fn step<R: Recipe<Network = HeadedNetwork>>(
    recipe: &R,
    network: &HeadedNetwork,
    plan: Vec<Vec<usize>>,
) -> StepGradients
where
    R::Error: std::fmt::Debug,
{
    let computed = gradients(
        network,
        &plan,
        0,
        0,
        |network: &HeadedNetwork, batch: &[usize], place: &Place<'_>| {
            Ok::<_, Infallible>(recipe.loss(network, batch, place).unwrap())
        },
    );
    computed.unwrap()
}

/// The reference's name of the gradient of a parameter.
fn stored(prefix: &str, name: &str, head: &str) -> String {
    if name.starts_with("heads.") {
        return format!("{prefix}.gradient.{head}");
    }
    let (_, inner) = name.split_once('.').unwrap();
    let inner = inner.replace(".lora.lora_a", ".lora_A.weight");
    let inner = inner.replace(".lora.lora_b", ".lora_B.weight");
    format!("{prefix}.gradient.base_model.model.{inner}")
}

fn check(network: &HeadedNetwork, found: &StepGradients, prefix: &str, head: &str, loss: f64) {
    assert!(
        (found.loss - loss).abs() < 1e-5 * loss,
        "{prefix}: {} is not {loss}",
        found.loss
    );
    let tensors = Tensors::load();
    let mut compared = 0;
    for name in trainable(network).into_keys() {
        let expected = tensors.values(&stored(prefix, &name, head));
        let gradient = found
            .gradients
            .get(&name)
            .unwrap_or_else(|| panic!("{name} has none"));
        let gradient: Vec<f32> = gradient.clone().into_data().iter().collect();
        let largest = expected
            .iter()
            .fold(1e-3_f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in gradient.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-4 * largest,
                "{prefix}: {name} {found} {expected}"
            );
        }
        compared += 1;
    }
    let names = tensors.names();
    let start = format!("{prefix}.gradient.");
    assert_eq!(
        compared,
        names.iter().filter(|name| name.starts_with(&start)).count(),
        "{prefix}"
    );
}

/// Ten steps over all items, with the reference's schedule and optimiser.
fn follow<R: Recipe<Network = HeadedNetwork>>(recipe: &R, mut network: HeadedNetwork, part: &str)
where
    R::Error: std::fmt::Debug,
{
    let steps = &expected()["steps"];
    let number = |key: &str| steps[key].as_f64().unwrap();
    let mut config = ClassificationConfig::default().training;
    config.learning_rate = number("learning_rate");
    config.weight_decay = number("weight_decay");
    config.max_grad_norm = 0.0;
    let settings = config.settings();
    let count = number("steps") as usize;
    let schedule = Schedule::new(number("learning_rate"), 0.0, number("warmup"), count);
    let schedule = schedule.decaying(settings.decay);
    let reference = &expected()["stacks"]["nllb_llama"][part]["ten_steps"];
    let reference: Vec<f64> = serde_json::from_value(reference.clone()).unwrap();
    assert_eq!(reference.len(), count);
    let mut optimizer = AdamW::default();
    let plan = vec![(0..recipe.items()).collect()];
    for (step, expected) in reference.into_iter().enumerate() {
        let rate = schedule.rate(step);
        let loss = |network: &HeadedNetwork, batch: &[usize], place: &Place<'_>| {
            recipe.loss(network, batch, place)
        };
        let stepped = train_step(network, &mut optimizer, &plan, step, rate, &settings, loss);
        let (updated, result) = stepped.unwrap();
        network = updated;
        assert!(
            (result.loss - expected).abs() < 1e-3 * expected,
            "{part} step {step}: {} is not {expected}",
            result.loss
        );
    }
}

fn classification(data: &TaskData, prefix: &str, head_name: &str, loss: &str) {
    let task = Task { name: "task", data };
    let start = adapted_llm();
    let encoded = EncodedTask::new(&start.backbone, &task).unwrap();
    let values = Tensors::load().values(&format!("classification.{head_name}"));
    let (backbone, network) = prepared(start, head(&task, values), true);
    let recipe = Classification::new(
        backbone,
        vec![encoded],
        None,
        &ClassificationConfig::default(),
    );
    let items = recipe.items();
    let loss = expected()["stacks"]["nllb_llama"]["classification"][loss]
        .as_f64()
        .unwrap();
    // One pass, and one for each item: the same step.
    for plan in [
        vec![(0..items).rev().collect()],
        (0..items).map(|item| vec![item]).collect(),
    ] {
        check(
            &network,
            &step(&recipe, &network, plan),
            prefix,
            head_name,
            loss,
        );
    }
    let held_out = recipe
        .held_out(&burn::module::Module::valid(&network))
        .unwrap()
        .unwrap();
    assert!(
        (held_out.loss - loss).abs() < 1e-5 * loss,
        "{}",
        held_out.loss
    );
    let logits = Tensors::load().values(&format!("{prefix}.logits"));
    let classes = logits.len() / items;
    let right = logits
        .chunks(classes)
        .zip(&data.train.rows)
        .filter(|(logits, row)| {
            let best = (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            best == Some(row.label)
        });
    assert_eq!(
        held_out.losses["accuracy"],
        right.count() as f64 / items as f64
    );
    if !task.kind().scores_choices() {
        follow(&recipe, network, prefix);
    }
}

#[test]
fn cross_entropy_its_gradients_and_ten_steps_are_pytorchs() {
    classification(&pairs(), "classification", "head", "loss");
    classification(&questions(), "choices", "choice_head", "choice_loss");
}

fn distillation(data: &TaskData, prefix: &str, loss: &str) {
    let task = Task { name: "task", data };
    let start = adapted_stack();
    let encoded = EncodedTask::new(&start.backbone, &task).unwrap();
    let targets = Tensors::load().values(&format!("{prefix}.targets"));
    let (width, items) = (32, data.train.rows.len());
    let spans = targets.len() / width / items;
    let folder = tempfile::tempdir().unwrap();
    let provenance = Provenance {
        stage: "targets".into(),
        version: 1,
        parameters: Default::default(),
        engines: Vec::new(),
        inputs: Default::default(),
    };
    // Training and validation rows are the same.
    let layout = Layout {
        width,
        rows: vec![spans as u32; 2 * items],
    };
    let compute = |_| Ok::<_, StatesError>([&targets[..], &targets[..]].concat());
    let states = States::make(folder.path(), &provenance, &layout, compute, &Silent).unwrap();
    let rows = match task.kind() {
        HeadKind::Choices => 1,
        _ => task.data.labels.len(),
    };
    let head = head(&task, vec![0.1; rows * width]);
    let teacher = TeacherStates::new(states, layout.rows, items, head.clone(), "random");
    let (backbone, network) = prepared(start, head, false);
    let config = DistillationConfig::default();
    let recipe =
        TaskDistillation::new(backbone, vec![encoded], vec![&teacher], None, &config).unwrap();
    let loss = expected()["stacks"]["nllb_llama"][prefix.trim_end_matches("_choices")][loss]
        .as_f64()
        .unwrap();
    for plan in [
        vec![(0..items).rev().collect()],
        (0..items).map(|item| vec![item]).collect(),
    ] {
        check(&network, &step(&recipe, &network, plan), prefix, "", loss);
    }
    let held_out = recipe
        .held_out(&burn::module::Module::valid(&network))
        .unwrap()
        .unwrap();
    assert!(
        (held_out.loss - loss).abs() < 1e-5 * loss,
        "{}",
        held_out.loss
    );
    let data = TensorData::new(targets.clone(), [items * spans, width]);
    let targets = burn::Tensor::<2>::from_data(data, &device().inner());
    let mean = targets.clone().mean_dim(0);
    let variance: f32 = (targets - mean).square().mean().into_scalar();
    let fvu = held_out.losses["fvu"];
    assert!(
        (fvu - loss / f64::from(variance)).abs() < 1e-4 * fvu,
        "{fvu}"
    );
    if !task.kind().scores_choices() {
        follow(&recipe, network, prefix);
    }
}

#[test]
fn squared_errors_their_gradients_and_ten_steps_are_pytorchs() {
    distillation(&pairs(), "stage_2", "loss");
    distillation(&questions(), "stage_2_choices", "choice_loss");
}
