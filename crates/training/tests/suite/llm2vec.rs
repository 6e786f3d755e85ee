//! LLM2Vec's recipes against PyTorch (`reference/llm2vec/export.py`), and in other batch shapes.

use std::fs;
use std::path::PathBuf;

use burn::Tensor;
use burn::tensor::{Device, TensorData, Tolerance};
use kernels::Segments;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::layers::Attention;
use models::{LanguageModel, NamedLinears, Network, llm2vec};
use serde::Deserialize;
use training::mntp::{MaskedBatch, MaskedDocument};
use training::optimizer::{AdamW, Gradients};
use training::run::{Decay, Loss, Means, Settings, train_step};
use training::simcse::{contrast, in_batch};

#[derive(Deserialize)]
struct Expected {
    mask_token: u32,
    temperature: f64,
    learning_rate: f64,
    weight_decay: f64,
    llama: Family,
    gpt2: Family,
    contrast: Contrast,
    merged_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Family {
    documents: Vec<Document>,
    mntp: Recipe,
    simcse: Recipe,
}

#[derive(Deserialize)]
struct Document {
    ids: Vec<u32>,
    masked: Vec<bool>,
}

#[derive(Deserialize)]
struct Recipe {
    loss: f64,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    items: Vec<usize>,
    loss: f64,
}

#[derive(Deserialize)]
struct Contrast {
    states: Vec<Vec<f32>>,
    loss: f64,
    gradient: Vec<Vec<f32>>,
}

fn reference(name: &str) -> PathBuf {
    fixtures::reference("llm2vec").join(name)
}

fn expected() -> Expected {
    let text = fs::read_to_string(reference("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A loss of some documents, as both recipes compute it.
type LossOf = fn(&Network, &[&Document], &Expected) -> Loss;

fn mntp_loss(network: &Network, documents: &[&Document], expected: &Expected) -> Loss {
    let masked = documents.iter().map(|document| {
        MaskedDocument::new(document.ids.clone(), &document.masked, expected.mask_token)
    });
    let batch = MaskedBatch::new(masked.collect());
    let (ids, segments) = (&batch.ids, &batch.segments);
    let hidden = network.forward_attending(ids, segments, Attention::Bidirectional, None);
    batch.loss(hidden, network.output_weight(), batch.masked())
}

fn simcse_loss(network: &Network, documents: &[&Document], expected: &Expected) -> Loss {
    let views = || documents.iter().chain(documents);
    let ids: Vec<u32> = views().flat_map(|document| document.ids.clone()).collect();
    let segments = Segments::new(views().map(|document| document.ids.len()));
    let spans = segments
        .iter()
        .map(|range| range.map(|at| at as u32).collect());
    let spans: Vec<Vec<u32>> = spans.collect();
    let hidden = network.forward_attending(&ids, &segments, Attention::Bidirectional, None);
    let pooled = models::layers::Pooling::Mean.pool(hidden, &spans);
    Loss {
        value: in_batch(pooled.clone().inner(), expected.temperature).loss,
        tensor: contrast(pooled, expected.temperature),
        parts: Means::default(),
        tokens: ids.len(),
    }
}

/// Each family and recipe: the adapted network, what is expected, and how its loss is computed.
fn cases(expected: &Expected) -> Vec<(String, Network, &Family, &Recipe, LossOf)> {
    let mut cases: Vec<(String, Network, &Family, &Recipe, LossOf)> = Vec::new();
    for (family, folder, found) in [
        ("llama", "llama/grouped_tied_lora", &expected.llama),
        ("gpt2", "gpt2/tied_lora", &expected.gpt2),
    ] {
        let network = || {
            let folder = fixtures::reference(folder);
            let model = LanguageModel::load(folder, &Device::flex().autodiff()).unwrap();
            only_adapters(model.network)
        };
        cases.push((
            format!("{family}.mntp"),
            network(),
            found,
            &found.mntp,
            mntp_loss,
        ));
        cases.push((
            format!("{family}.simcse"),
            network(),
            found,
            &found.simcse,
            simcse_loss,
        ));
    }
    cases
}

/// The network with the adapters as the only trained parameters.
fn only_adapters(network: Network) -> Network {
    use burn::module::Module;
    let adapters = training::optimizer::trainable(&network);
    assert!(adapters.keys().any(|name| name.ends_with("lora_a")));
    let frozen = network.clone().freeze();
    frozen.map_linears(|name, layer| {
        let Some(lora) = layer.lora.clone() else {
            panic!("{name} has no adapter")
        };
        let (scale, dropout) = (lora.scale, lora.dropout);
        let [a, b] = [lora.lora_a, lora.lora_b].map(|part| part.val().detach());
        layer.with_adapter(a, b, scale, dropout)
    })
}

fn peft_name(field: &str) -> String {
    let name = field.replace("lora.lora_a", "lora_A.weight");
    format!(
        "base_model.model.{}",
        name.replace("lora.lora_b", "lora_B.weight")
    )
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let expected = expected();
    for (case, network, family, recipe, loss_of) in cases(&expected) {
        let (family_name, recipe_name) = case.split_once('.').unwrap();
        let documents: Vec<&Document> = family.documents.iter().collect();
        let loss = loss_of(&network, &documents, &expected);
        assert!(
            (loss.value - recipe.loss).abs() < 1e-5,
            "{case}: {}",
            loss.value
        );
        let tensor: f64 = loss.tensor.clone().into_scalar::<f32>().into();
        assert!((tensor - recipe.loss).abs() < 1e-5, "{case}: {tensor}");
        let mut gradients = Gradients::default();
        gradients.add(&network, loss.tensor.backward());
        let file = reference(&format!("{family_name}.safetensors"));
        let stored = SafetensorsCheckpoint::open_files(&reference(""), &[file]).unwrap();
        let trained = training::optimizer::trainable(&network);
        let mut compared = 0;
        for (name, (shape, _)) in trained {
            let found = gradients
                .get(&name)
                .unwrap_or_else(|| panic!("{case}: {name}"));
            let stored_name = format!("{recipe_name}.{}", peft_name(&name));
            let values = stored.tensor(&stored_name, &shape).unwrap();
            let values = TensorData::new(values, [found.dims()[0]]);
            let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-4);
            found.to_data().assert_approx_eq(&values, tolerance);
            compared += 1;
        }
        let names = stored.names();
        let stored = names
            .iter()
            .filter(|name| name.starts_with(recipe_name))
            .count();
        assert_eq!(compared, stored, "{case}");
    }
}

#[test]
fn ten_steps_follow_pytorch() {
    let expected = expected();
    let settings = settings(&expected);
    for (case, mut network, family, recipe, loss_of) in cases(&expected) {
        let mut optimizer = AdamW::default();
        assert_eq!(recipe.steps.len(), 10);
        for (number, step) in recipe.steps.iter().enumerate() {
            let plan = vec![step.items.clone()];
            let rate = expected.learning_rate;
            let stepped = train_step(
                network,
                &mut optimizer,
                &plan,
                number,
                rate,
                &settings,
                |network: &Network, batch: &[usize], _: &_| {
                    let documents: Vec<&Document> =
                        batch.iter().map(|&item| &family.documents[item]).collect();
                    Ok::<_, std::convert::Infallible>(loss_of(network, &documents, &expected))
                },
            );
            let (updated, result) = stepped.unwrap();
            network = updated;
            let (found, wanted) = (result.loss, step.loss);
            assert!(
                (found - wanted).abs() < 1e-3,
                "{case}, step {number}: {found}, not {wanted}"
            );
        }
    }
}

fn settings(expected: &Expected) -> Settings {
    Settings {
        epochs: 1,
        max_steps: Some(10),
        items_per_step: 4,
        tokens_per_batch: None,
        seed: 0,
        peak_learning_rate: expected.learning_rate,
        final_learning_rate: 1.0,
        warmup: 0.0,
        decay: Decay::Linear,
        weight_decay: expected.weight_decay,
        rate_factors: Vec::new(),
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        max_grad_norm: 1.0,
        evaluate_every: 0,
        early_stopping_patience: 0,
        early_stopping_min_delta: 0.0,
        checkpoint_every: 0,
        checkpoint_minutes: 0.0,
        keep_checkpoints: 1,
    }
}

#[test]
fn the_contrastive_loss_of_different_views_is_that_of_pytorch() {
    let expected = expected();
    let Contrast {
        states,
        loss,
        gradient,
    } = &expected.contrast;
    let rows = |rows: &[Vec<f32>]| TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    let leaf = Tensor::<2>::from_data(rows(states), &Device::flex().autodiff()).require_grad();
    let found = contrast(leaf.clone(), expected.temperature);
    let measures = in_batch(leaf.clone().inner(), expected.temperature);
    let value: f64 = found.clone().into_scalar::<f32>().into();
    assert!((value - loss).abs() < 1e-5 && (measures.loss - loss).abs() < 1e-5);
    let found = leaf.grad(&found.backward()).unwrap();
    let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
    found
        .into_data()
        .assert_approx_eq(&rows(gradient), tolerance);
}

#[test]
fn published_adapters_are_merged_as_by_peft() {
    let expected = expected();
    let base = fixtures::reference("llama/grouped_tied");
    let [mntp, simcse] = ["llama_mntp", "llama_simcse"].map(reference);
    let merge = |adapters: &[&std::path::Path]| {
        llm2vec::merge_adapters(&base, adapters, &Device::flex()).unwrap()
    };
    let model = merge(&[&mntp, &simcse]);
    let ids = &expected.merged_ids;
    let segments = Segments::single(ids.len());
    let hidden = model
        .network
        .forward_attending(ids, &segments, Attention::Bidirectional, None);
    let [rows, width] = hidden.dims();
    let files = [reference("merged.safetensors")];
    let stored = SafetensorsCheckpoint::open_files(&reference(""), &files).unwrap();
    let stored = TensorData::new(
        stored.tensor("hidden", &[rows, width]).unwrap(),
        [rows, width],
    );
    hidden
        .into_data()
        .assert_approx_eq(&stored, Tolerance::<f32>::rel_abs(1e-4, 1e-4));
    let other = merge(&[&simcse, &mntp]);
    assert_ne!(model.identity.revision, other.identity.revision);

    // The merged model is a Hugging Face directory like any other.
    let folder = tempfile::tempdir().unwrap();
    let format = models::export::StoredFormat::F32;
    models::export::save_huggingface(&model, folder.path(), format).unwrap();
    let again = LanguageModel::load(folder.path(), &Device::flex()).unwrap();
    let hidden = again
        .network
        .forward_attending(ids, &segments, Attention::Bidirectional, None);
    hidden
        .into_data()
        .assert_approx_eq(&stored, Tolerance::<f32>::rel_abs(1e-4, 1e-4));

    let gpt2 = fixtures::reference("gpt2/tied");
    let error = llm2vec::merge_adapters(&gpt2, &[&mntp], &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("llama_mntp"), "{error}");
}
