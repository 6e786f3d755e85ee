//! Hidden states.

use burn::tensor::Device;
use fixtures::assert_close;
use kernels::{Precision, Segments};
use models::{LoraConfig, NamedLinears, WeightForm};

use crate::all;
use crate::fixture::Fixture;
use crate::tensors::values;

#[test]
fn hidden_states_of_every_layer() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let (ids, types, segments) = fixture.batch();
        let network = &fixture.model.network;
        let states = network.layer_states(&ids, &types, &segments);
        assert_eq!(states.len(), network.shape().layers + 1, "{name}");
        for (layer, found) in states.iter().enumerate() {
            let expected = fixture.tensor(&format!("hidden.{layer}"));
            let what = format!("{name}: hidden states {layer}");
            assert_close(&values(found.clone()), &expected, 1e-4, &what);
        }
        let last = values(network.forward(&ids, &types, &segments));
        assert_eq!(last, values(states.last().unwrap().clone()), "{name}");
        let loss = values(fixture.loss(fixture.hidden(network)));
        assert_close(&loss, &[fixture.expected.loss], 1e-5, name);
    }
}

#[test]
fn other_forms_of_the_weights_are_close() {
    for name in all() {
        for (form, tolerance) in [
            (WeightForm::Packed(Precision::F32), 1e-4),
            (WeightForm::Packed(Precision::Bf16), 3e-2),
            (WeightForm::Packed(Precision::Int8), 6e-2),
            (WeightForm::Frozen(Precision::F32), 1e-4),
        ] {
            let fixture = Fixture::load_as(name, &Device::flex(), form);
            let hidden = values(fixture.hidden(&fixture.model.network));
            let last = format!("hidden.{}", fixture.model.shape().layers);
            let what = format!("{name} as {form:?}");
            assert_close(&hidden, &fixture.tensor(&last), tolerance, &what);
            assert!(fixture.model.network.is_packed(), "{what}");
        }
        let fixture = Fixture::load(name, &Device::flex());
        let adapted = fixture.adapted();
        let expected = fixture.tensor("adapted.hidden");
        for (form, network, tolerance) in [
            ("attached", adapted.clone(), 1e-4),
            ("merged", adapted.clone().merge_lora(), 1e-4),
            ("packed", adapted.packed(Precision::F32), 1e-4),
            ("packed in bf16", adapted.packed(Precision::Bf16), 3e-2),
        ] {
            let what = format!("{name}: an adapter, {form}");
            assert_close(
                &values(fixture.hidden(&network)),
                &expected,
                tolerance,
                &what,
            );
        }
        let plain = values(fixture.hidden(&fixture.model.network));
        assert_eq!(
            values(fixture.hidden(&adapted.without_adapters())),
            plain,
            "{name}"
        );
    }
}

#[test]
fn a_sequence_does_not_depend_on_its_neighbours() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let network = &fixture.model.network;
        let together = values(fixture.hidden(network));
        let alone = fixture.expected.sequences.iter().flat_map(|sequence| {
            let segments = Segments::single(sequence.ids.len());
            values(network.forward(&sequence.ids, &sequence.types, &segments))
        });
        assert_close(&alone.collect::<Vec<_>>(), &together, 1e-6, name);
    }
}

#[test]
fn dropout_depends_on_its_seed_and_only_on_adapters() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let (ids, types, segments) = fixture.batch();
        let dropped = |network: &models::encoders::EncoderNetwork, seed| {
            values(network.forward_with_dropout(&ids, &types, &segments, seed))
        };
        let plain = &fixture.model.network;
        assert_eq!(dropped(plain, 1), values(fixture.hidden(plain)), "{name}");
        let with_dropout = fixture.adapted().map_linears(|_, mut layer| {
            layer.lora.as_mut().unwrap().dropout = 0.3;
            layer
        });
        let without = values(fixture.hidden(&with_dropout));
        let [first, again, second] = [1, 1, 2].map(|seed| dropped(&with_dropout, seed));
        assert_eq!(first, again, "{name}");
        assert_ne!(first, second, "{name}");
        assert_ne!(first, without, "{name}");
    }
}

#[test]
fn an_unknown_target_of_adapters_is_named() {
    for name in all() {
        let network = Fixture::load(name, &Device::flex()).model.network;
        let config = LoraConfig {
            target_modules: vec!["queries".into()],
            ..LoraConfig::default()
        };
        let error = network.with_lora(&config, 1).unwrap_err().to_string();
        let layer = if name == "nllb" { "q_proj" } else { "query" };
        assert!(
            error.contains("`queries`") && error.contains(layer),
            "{error}"
        );
    }
}
