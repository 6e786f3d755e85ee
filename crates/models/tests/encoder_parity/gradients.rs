//! Gradients by name: of linear layers, and of adapters.

use std::collections::BTreeMap;

use burn::Tensor;
use burn::tensor::{Device, Gradients};
use fixtures::assert_close;
use kernels::Precision;
use models::LoraConfig;
use models::NamedLinears;
use models::encoders::EncoderNetwork;

use crate::all;
use crate::fixture::Fixture;
use crate::tensors::values;

/// The gradients of all parameters of the linear layers, by PEFT's names; `None` if one got none.
fn gradients(fixture: &Fixture, network: &EncoderNetwork) -> BTreeMap<String, Option<Vec<f32>>> {
    let loss = fixture.loss(fixture.hidden(network));
    let gradients = loss.backward();
    let mut found = BTreeMap::new();
    network.clone().map_linears(|name, layer| {
        let mut add = |part: &str, value| found.insert(format!("{name}.{part}"), value);
        add("weight", of(&layer.weight.val(), &gradients));
        add(
            "bias",
            layer
                .bias
                .as_ref()
                .and_then(|bias| of(&bias.val(), &gradients)),
        );
        if let Some(lora) = &layer.lora {
            add("lora_A.weight", of(&lora.lora_a.val(), &gradients));
            add("lora_B.weight", of(&lora.lora_b.val(), &gradients));
        }
        layer
    });
    found
}

fn of<const D: usize>(tensor: &Tensor<D>, gradients: &Gradients) -> Option<Vec<f32>> {
    tensor.grad(gradients).map(values)
}

/// They add the same to all scores of a query, which changes no attention: their gradients are
/// rounding errors.
const KEY_BIASES: [&str; 2] = ["self.key.bias", "self_attn.k_proj.bias"];

#[test]
fn every_gradient_by_name() {
    for name in all() {
        for recompute in [false, true] {
            let fixture = Fixture::load(name, &Device::flex().autodiff());
            let network = fixture.model.network.clone().recomputing(recompute);
            for (parameter, gradient) in gradients(&fixture, &network) {
                let what = format!("{name}: gradient of {parameter}");
                let gradient = gradient.expect(&what);
                let expected = fixture.tensor(&format!("gradient.{parameter}"));
                if KEY_BIASES.iter().any(|bias| parameter.ends_with(bias)) {
                    let mut sizes = gradient.into_iter().chain(expected).map(f32::abs);
                    assert!(sizes.all(|size| size < 1e-4), "{what}");
                    continue;
                }
                assert_close(&gradient, &expected, 1e-4, &what);
            }
        }
    }
}

#[test]
fn every_gradient_of_an_adapter_by_name() {
    for name in all() {
        for frozen in [false, true] {
            let fixture = Fixture::load(name, &Device::flex().autodiff());
            let mut network = fixture.adapted();
            if frozen {
                network = network.frozen(Precision::F32);
            }
            let loss = values(fixture.loss(fixture.hidden(&network)));
            assert_close(&loss, &[fixture.expected.adapted_loss], 1e-5, name);
            let (adapters, base): (Vec<_>, Vec<_>) = gradients(&fixture, &network)
                .into_iter()
                .partition(|(parameter, _)| parameter.contains(".lora_"));
            let names: Vec<&String> = adapters.iter().map(|(parameter, _)| parameter).collect();
            let expected = fixture.gradients("adapted.gradient.");
            assert_eq!(names, expected.iter().collect::<Vec<_>>(), "{name}");
            for (parameter, gradient) in adapters {
                let what = format!("{name}: gradient of {parameter}");
                let expected = fixture.tensor(&format!("adapted.gradient.{parameter}"));
                assert_close(&gradient.expect(&what), &expected, 1e-4, &what);
            }
            for (parameter, gradient) in base {
                assert!(gradient.is_none(), "{name}: {parameter} has a gradient");
            }
        }
    }
}

#[test]
fn a_fresh_adapter_changes_nothing_and_learns() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex().autodiff());
        let before = values(fixture.hidden(&fixture.model.network));
        let network = fixture.model.network.clone();
        let network = network.with_lora(&LoraConfig::default(), 7).unwrap();
        assert_eq!(values(fixture.hidden(&network)), before, "{name}");
        for (parameter, gradient) in gradients(&fixture, &network) {
            let adapts = parameter.contains(".lora_");
            assert_eq!(gradient.is_some(), adapts, "{name}: {parameter}");
            if let Some(gradient) = gradient {
                // B begins at zero, so A's first gradient is zero and B's is not.
                let moved = gradient.iter().any(|&value| value != 0.0);
                assert_eq!(moved, parameter.contains("lora_B"), "{name}: {parameter}");
            }
        }
    }
}
