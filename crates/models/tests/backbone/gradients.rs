//! Gradients of projection, layer mix and adapters by name; and nothing else gets one.

use burn::Tensor;
use burn::tensor::Device;
use fixtures::assert_close;
use models::{BackboneNetwork, TextInput};

use crate::fixture::{STACKS, Tensors, Texts, expected, pooled, stack};
use crate::tensors::{gradients, values};

/// The reference's name of a parameter.
fn stored(name: &str) -> String {
    if let Some(part) = name.strip_prefix("up_projection.") {
        return format!("projection.{part}");
    }
    if name == "layer_mix" {
        return "mix".into();
    }
    let (_, inner) = name.split_once('.').unwrap();
    let inner = inner.replace(".lora.lora_a", ".lora_A.weight");
    let inner = inner.replace(".lora.lora_b", ".lora_B.weight");
    format!("base_model.model.{inner}")
}

fn mse(found: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (found - target).powi_scalar(2).mean()
}

fn check(name: &str, prefix: &str, network: &BackboneNetwork, loss: &Tensor<1>, loss_value: f64) {
    let tensors = Tensors::of(name);
    let value = values(loss.clone().inner())[0];
    assert_close(&[value], &[loss_value as f32], 1e-5, name);
    let mut compared = 0;
    for (parameter, gradient) in gradients(network, loss) {
        let reference = format!("{prefix}.gradient.{}", stored(&parameter));
        let known = tensors.names().contains(&reference);
        match gradient {
            Some(gradient) if known => {
                let expected = tensors.values(&reference);
                let what = format!("{name}: gradient of {parameter}");
                assert_close(&gradient, &expected, 1e-4, &what);
                compared += 1;
            }
            Some(_) => panic!("{name}: {parameter} has a gradient"),
            None => assert!(!known, "{name}: {parameter} has no gradient"),
        }
    }
    let start = format!("{prefix}.gradient.");
    let all = tensors.names();
    let all = all.iter().filter(|name| name.starts_with(&start));
    assert_eq!(compared, all.count(), "{name}: gradients");
}

#[test]
fn projection_mix_and_adapters_get_the_reference_s_gradients_and_nothing_else_any() {
    let (texts, device) = (Texts::load(), Device::flex().autodiff());
    let english: Vec<TextInput<'_>> = (texts.english.iter())
        .map(|text| TextInput::Single(text))
        .collect();
    for (name, ..) in STACKS {
        for recompute in [false, true] {
            let (backbone, network) = stack(name, &device);
            let stack = (backbone, network.recomputing(recompute));
            let student = pooled(&stack, &english);
            let teacher: Tensor<2> = Tensors::of(name).on("teacher", &device);
            let loss = mse(student, teacher.slice_dim(0, 0..english.len()));
            let expected = &expected()["stacks"][name]["stage_1"]["loss"];
            check(name, "stage_1", &stack.1, &loss, expected.as_f64().unwrap());
        }
    }
}

#[test]
fn a_frozen_projection_gets_no_gradient() {
    let (texts, device) = (Texts::load(), Device::flex().autodiff());
    let name = "nllb_llama";
    let (backbone, network) = stack(name, &device);
    let stack = (backbone, network.with_frozen_projection());
    let expected = expected();
    let expected = |part: &str| expected["stacks"][name]["stage_2"][part].as_f64().unwrap();
    let pairs: Vec<TextInput<'_>> = texts.pairs().collect();
    let targets = Tensors::of(name).on("stage_2.targets", &device);
    let loss = mse(pooled(&stack, &pairs), targets);
    check(name, "stage_2", &stack.1, &loss, expected("loss"));

    let questions: Vec<TextInput<'_>> = texts.questions().collect();
    let targets = Tensors::of(name).on("stage_2_choices.targets", &device);
    let loss = mse(pooled(&stack, &questions), targets);
    check(
        name,
        "stage_2_choices",
        &stack.1,
        &loss,
        expected("choice_loss"),
    );
}
