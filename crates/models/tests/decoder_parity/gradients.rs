//! Gradients by name, of whole models and of adapters.

use std::collections::BTreeMap;

use burn::tensor::Device;
use fixtures::assert_close;
use models::{LoraConfig, NamedLinears, Network};

use crate::Beside::Adapter;
use crate::fixture::Fixture;
use crate::tensors;
use crate::{all, with};

/// Gradients of the fixture's loss; `None` for a parameter that has none.
pub fn gradients(fixture: &Fixture) -> BTreeMap<String, Option<Vec<f32>>> {
    tensors::gradients(&fixture.network, &fixture.loss().0)
}

/// Checks `gradient`, which is that of `parameter`, against the one that Transformers calls `stored`.
pub fn check(fixture: &Fixture, parameter: &str, stored: &str, gradient: Option<Vec<f32>>) {
    let name = &fixture.name;
    let mut gradient = gradient.unwrap_or_else(|| panic!("{name}: no gradient of {parameter}"));
    let stored = format!("gradient.{stored}");
    if fixture.network.stores_transposed(parameter) {
        let rows = fixture.shape(&stored)[0];
        gradient = (0..rows)
            .flat_map(|row| gradient[row..].iter().step_by(rows).copied())
            .collect();
    }
    let expected = fixture.tensor(&stored);
    let what = format!("{name}: gradient of {parameter}");
    assert_close(&gradient, &expected, 1e-4, &what);
}

#[test]
fn every_gradient_by_name() {
    for name in all() {
        for recompute in [false, true] {
            let mut fixture = Fixture::load(name, &Device::flex().autodiff());
            fixture.network = fixture.network.recomputing(recompute);
            let found = gradients(&fixture);
            let names: Vec<String> = found.keys().cloned().collect();
            assert_eq!(names, fixture.trained(), "{name}");
            for (parameter, gradient) in found {
                check(&fixture, &parameter, &parameter, gradient);
            }
        }
    }
}

#[test]
fn a_frozen_base_gets_no_gradient_and_every_adapter_one() {
    for name in with(Adapter) {
        let mut fixture = Fixture::load(name, &Device::flex().autodiff());
        let before = fixture.loss().1;
        let weights = fixture.trained();
        let lora = LoraConfig {
            r: 4,
            ..Default::default()
        };
        fixture.network = fixture.network.with_lora(&lora, 7).unwrap();
        let fresh = fixture.loss().1;
        assert_eq!(fresh, before, "{name}: a fresh adapter changes nothing");

        let (adapters, base): (Vec<_>, Vec<_>) = gradients(&fixture)
            .into_iter()
            .partition(|(parameter, _)| parameter.contains(".lora."));
        let adapted = adapted_layers(&fixture.network);
        assert_eq!(adapters.len(), 2 * adapted, "{name}: two matrices each");
        assert_eq!(base.len(), weights.len(), "{name}");
        for (parameter, gradient) in base {
            assert!(gradient.is_none(), "{name}: {parameter} has a gradient");
        }
        for (parameter, gradient) in adapters {
            let gradient = gradient.unwrap_or_else(|| panic!("{name}: none of {parameter}"));
            // B begins at zero, so A's first gradient is zero and B's is not.
            let moved = gradient.iter().any(|&value| value != 0.0);
            assert_eq!(moved, parameter.ends_with("lora_b"), "{name}: {parameter}");
        }
    }
}

fn adapted_layers(network: &Network) -> usize {
    let mut count = 0;
    network.clone().map_linears(|name, layer| {
        assert!(layer.lora.is_some(), "{name} has no adapter");
        count += 1;
        layer
    });
    count
}
