//! Exactly what is to be trained gets a gradient.

use models::{Head, HeadKind, NamedLinears};
use training::optimizer::trainable;
use training::{HeadedNetwork, Preparation, Start, TrainedPart};

use crate::fixture::{adapted_stack, device, llm, stack_on};

fn names(
    start: Start,
    part: TrainedPart,
    train_heads: bool,
    train_projection: bool,
) -> Vec<String> {
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let width = start.network.hidden_size();
    let network = HeadedNetwork {
        heads: vec![Head::new(
            "task",
            HeadKind::Text,
            labels,
            width,
            0,
            &device(),
        )],
        backbone: start.network,
    };
    let preparation = Preparation {
        part,
        train_heads,
        train_projection,
        lora: Default::default(),
        form: models::WeightForm::Parameters,
        recompute: false,
        seed: 0,
    };
    trainable(&network.prepare(&preparation).unwrap())
        .into_keys()
        .collect()
}

fn is_adapter(name: &str) -> bool {
    name.ends_with(".lora_a") || name.ends_with(".lora_b")
}

#[test]
fn adapters_and_heads_are_trained_and_nothing_else() {
    // Two layers of seven linears, A and B of each.
    for start in [llm(64), stack_on("llama", 64), adapted_stack()] {
        let names = names(start, TrainedPart::Lora, true, false);
        assert_eq!(names.iter().filter(|name| is_adapter(name)).count(), 28);
        assert_eq!(names.len(), 29);
        assert!(names.contains(&"heads.0.weight".to_owned()));
    }
}

#[test]
fn what_is_asked_for_is_trained_too_or_left_alone() {
    let projection = ["up_projection.bias", "up_projection.weight"];
    let stack = || stack_on("llama", 64);
    let with_projection = names(stack(), TrainedPart::Lora, false, true);
    let others: Vec<&String> = with_projection
        .iter()
        .filter(|name| !is_adapter(name))
        .collect();
    assert_eq!(others, projection);
    assert_eq!(
        names(stack(), TrainedPart::Head, true, false),
        ["heads.0.weight"]
    );
    let all = names(stack(), TrainedPart::Full, true, false);
    assert!(
        projection
            .iter()
            .all(|name| all.contains(&(*name).to_owned()))
    );
    assert!(
        all.iter().any(|name| name.ends_with("embed_tokens.weight")),
        "{all:?}"
    );
    assert!(!all.iter().any(|name| is_adapter(name)));
}

#[test]
fn an_adapted_stack_keeps_its_adapters() {
    let before = adapted_stack().network;
    let lora = |network: models::BackboneNetwork| {
        let mut sum = 0.0_f32;
        network.map_linears(|_, layer| {
            let lora = layer.lora.as_ref().expect("an adapter");
            sum += lora.lora_b.val().abs().sum().into_scalar::<f32>();
            layer
        });
        sum
    };
    let network = HeadedNetwork {
        heads: Vec::new(),
        backbone: before.clone(),
    };
    let preparation = Preparation {
        part: TrainedPart::Lora,
        train_heads: false,
        train_projection: false,
        lora: Default::default(),
        form: models::WeightForm::Parameters,
        recompute: false,
        seed: 0,
    };
    let after = network.prepare(&preparation).unwrap().backbone;
    assert!(lora(before.clone()) > 0.0);
    assert_eq!(lora(after), lora(before));
}
