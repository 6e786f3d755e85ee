//! The exported model between the one before training and the trained one.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::training::TrainSummary;
use corpus::progress::Silent;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use training::fine_tune::{Interpolate, Method, TrainConfig};

use crate::resume::{Kill, ten_steps, train};
use crate::tiny;

fn weights(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let checkpoint = SafetensorsCheckpoint::open(folder).unwrap();
    let tensor = |name: String| {
        let values = checkpoint.tensor(&name, checkpoint.shape(&name).unwrap());
        (name, values.unwrap())
    };
    checkpoint.names().into_iter().map(tensor).collect()
}

fn export(run: &Path, interpolate: Option<Interpolate>) -> TrainSummary {
    let config = TrainConfig {
        interpolate,
        ..ten_steps(Method::Full)
    };
    // No step is done again, since that would be an eleventh.
    train(run, &config, &Kill::after(11)).unwrap()
}

#[test]
fn weights_are_interpolated_without_training_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let trained = export(run, None);
    assert_eq!(trained.interpolation, None);
    let (before, after) = (
        weights(&tiny::reference().join("tiny")),
        weights(&run.join("model")),
    );
    for share in [0.0, 0.25, 1.0] {
        let summary = export(run, Some(Interpolate::Share(share)));
        assert_eq!((summary.steps, summary.interpolation), (10, Some(share)));
        let between = weights(&run.join("model"));
        for (name, values) in &between {
            for (at, value) in values.iter().enumerate() {
                let (a, b) = (before[name][at], after[name][at]);
                let expected = a + share as f32 * (b - a);
                assert!(
                    (value - expected).abs() < 1e-6,
                    "{name}: {value} {expected}"
                );
            }
        }
        let (measured, of) = (
            summary.after.unwrap().loss,
            match share {
                0.0 => trained.before.as_ref().unwrap().loss,
                1.0 => trained.after.as_ref().unwrap().loss,
                _ => continue,
            },
        );
        assert!((measured - of).abs() < 1e-5, "{share}: {measured} {of}");
    }
    // Asked for nothing, it is the trained model again.
    export(run, None);
    assert!(weights(&run.join("model")) == after);
}

#[test]
fn an_adapter_is_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, interpolate| {
        let config = TrainConfig {
            interpolate,
            ..ten_steps(Method::Lora)
        };
        let run = folder.path().join(name);
        train(&run, &config, &Silent).unwrap();
        let file = run.join("model/adapter_model.safetensors");
        let bytes = std::fs::read(file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = tensors.tensors().into_iter().map(|(name, tensor)| {
            let values = tensor.data().as_chunks::<4>().0.iter();
            (
                name,
                values.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            )
        });
        values.collect::<BTreeMap<String, Vec<f32>>>()
    };
    let (whole, half) = (at("whole", None), at("half", Some(Interpolate::Share(0.5))));
    for (name, values) in &whole {
        let factor = if name.contains("lora_B") { 0.5 } else { 1.0 };
        let scaled: Vec<f32> = values.iter().map(|value| factor * value).collect();
        assert_eq!(half[name], scaled, "{name}");
    }
}

#[test]
fn the_share_is_chosen_by_the_losses_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    // The held-out examples are of LL alone, of which most is learnt in ten steps.
    let auto = export(run, Some(Interpolate::Auto));
    let chosen = auto.interpolation.unwrap();
    for share in [1.0, 0.9, 0.5, 0.3] {
        let other = export(run, Some(Interpolate::Share(share)));
        let (chosen, other) = (auto.after.as_ref().unwrap().loss, other.after.unwrap().loss);
        assert!(chosen <= other + 1e-9, "{share}: {chosen} {other}");
    }
    assert!(chosen >= 0.3, "{chosen}");
}
