//! Training from a model that is a PEFT adapter itself.

use std::path::Path;

use artefacts::training::Metric;
use burn::tensor::{Device, Tolerance};
use corpus::progress::Silent;
use kernels::{Precision, Segments};
use models::LanguageModel;
use training::fine_tune::{Method, Places, TrainConfig, fine_tune};

use crate::resume::{ten_steps, train};
use crate::tiny;

fn hidden(model: &Path) -> burn::tensor::TensorData {
    let model = LanguageModel::load(model, &Device::flex()).unwrap();
    let hidden = model.network.forward(&[1, 5, 9, 4], &Segments::single(4));
    hidden.into_data()
}

/// The loss of every step.
fn training_losses(run: &Path) -> Vec<f64> {
    let metrics = Metric::read_all(&run.join("train")).unwrap();
    let losses = metrics.into_iter().filter_map(|metric| match metric {
        Metric::Train { loss, .. } => Some(loss),
        Metric::Evaluation { .. } => None,
    });
    losses.collect()
}

/// Trains the model in `base` as the program does: loaded in the form that its method needs.
fn train_from(base: &Path, run: &Path, config: &TrainConfig) {
    let device = Device::flex().autodiff();
    let model = LanguageModel::load_as(base, &device, config.weight_form()).unwrap();
    let examples = tiny::examples();
    let (held_out, examples) = examples.split_at(2);
    let [folder, output] = ["train", "model"].map(|name| run.join(name));
    let places = Places {
        folder: &folder,
        teacher: &folder.join("teacher"),
        output: &output,
    };
    fine_tune(model, examples, held_out, config, &places, None, &Silent).unwrap();
}

#[test]
fn training_goes_on_from_an_adapter_by_every_method() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    train(&first, &ten_steps(Method::Lora), &Silent).unwrap();
    let adapter = first.join("model");

    for (name, method, precision) in [
        ("full", Method::Full, Precision::F32),
        ("lora", Method::Lora, Precision::F32),
        ("bf16", Method::Lora, Precision::Bf16),
        ("int8", Method::Lora, Precision::Int8),
    ] {
        let run = folder.path().join(name);
        let config = TrainConfig {
            precision,
            lora_merge: true,
            ..ten_steps(method)
        };
        train_from(&adapter, &run, &config);
        let losses = training_losses(&run);
        let [first, last] = [&losses[..2], &losses[8..]].map(|epoch| epoch.iter().sum::<f64>());
        assert!(last < first, "{name} does not learn: {losses:?}");
        if method == Method::Lora {
            // The adapter on the adapter on the base model, and all of it merged.
            let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-4);
            hidden(&run.join("model-merged"))
                .assert_approx_eq(&hidden(&run.join("model")), tolerance);
        }
    }
}
