//! COMET metrics against unbabel-comet. Fixtures and their exporter: `reference/comet`.

use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::tensor::Device;
use kernels::{Precision, Segments};
use models::WeightForm;
use models::checkpoint::Checkpoint;
use models::comet::{CometError, CometModel, CometOptions, Sample, Transformation};
use models::encoders::bert::{Bert, BertConfig};
use models::encoders::{EncoderConfig, EncoderNetwork};
use models::huggingface::SafetensorsCheckpoint;
use models::pytorch::PytorchCheckpoint;
use serde::Deserialize;

const VARIANTS: [&str; 5] = [
    "kiwi",
    "comet",
    "unified_reference",
    "referenceless_max",
    "regression_cls",
];

#[derive(Deserialize)]
struct Expected {
    samples: Vec<Texts>,
    scores: Vec<f32>,
    scores_without_reference: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Texts {
    src: String,
    mt: String,
    r#ref: String,
}

fn folder(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference/comet")
        .join(variant)
}

fn expected(variant: &str) -> Expected {
    let text = std::fs::read_to_string(folder(variant).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn load(variant: &str, weights: Precision) -> CometModel {
    let options = CometOptions {
        weights,
        ..CometOptions::default()
    };
    CometModel::load(folder(variant), &options, &Device::flex()).unwrap()
}

fn scores(model: &CometModel, texts: &[Texts], with_reference: bool) -> Vec<f32> {
    let samples: Vec<_> = texts
        .iter()
        .map(|texts| {
            model
                .encode(Sample {
                    source: &texts.src,
                    translation: &texts.mt,
                    reference: with_reference.then_some(texts.r#ref.as_str()),
                })
                .unwrap()
        })
        .collect();
    model.score(&samples).unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off < tolerance,
            "{what}, sample {index}: {found} instead of {expected}"
        );
    }
}

#[test]
fn scores_of_every_kind_of_metric() {
    for variant in VARIANTS {
        let expected = expected(variant);
        let model = load(variant, Precision::F32);
        let found = scores(&model, &expected.samples, true);
        assert_close(&found, &expected.scores, 1e-5, variant);
        if let Some(without) = &expected.scores_without_reference {
            let found = scores(&model, &expected.samples, false);
            assert_close(&found, without, 1e-5, "without reference");
        }
    }
}

#[test]
fn scores_with_weights_of_two_bytes_are_near() {
    for variant in VARIANTS {
        let expected = expected(variant);
        let found = scores(&load(variant, Precision::Bf16), &expected.samples, true);
        let spread = expected
            .scores
            .iter()
            .fold(0.1f32, |spread, score| spread.max(score.abs()));
        assert_close(&found, &expected.scores, 0.03 * spread, variant);
    }
}

#[test]
fn kiwi_mixes_by_softmax_and_comet_by_sparsemax() {
    let transformation = |variant| load(variant, Precision::F32).transformation();
    assert_eq!(transformation("kiwi"), Transformation::Softmax);
    assert_eq!(transformation("comet"), Transformation::Sparsemax);
    assert_eq!(
        transformation("unified_reference"),
        Transformation::Sparsemax
    );
}

#[test]
fn a_score_does_not_depend_on_its_neighbours() {
    for variant in VARIANTS {
        let expected = expected(variant);
        let model = load(variant, Precision::F32);
        let together = scores(&model, &expected.samples, true);
        for (texts, together) in expected.samples.iter().zip(together) {
            let alone = scores(&model, std::slice::from_ref(texts), true)[0];
            assert!(
                (alone - together).abs() < 1e-6,
                "{variant}: {alone} and {together}"
            );
        }
    }
}

#[test]
fn hidden_states_of_every_layer() {
    let folder = folder("kiwi");
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = BertConfig::from_json(&text).unwrap();
    let file = folder.join("checkpoints/model.ckpt");
    let checkpoint =
        PytorchCheckpoint::open(&folder, std::slice::from_ref(&file), Some("state_dict")).unwrap();
    let encoder = Bert::load(
        &config,
        &checkpoint,
        &Device::flex(),
        WeightForm::Parameters,
    )
    .unwrap();
    let file = folder.join("hidden.safetensors");
    let expected = SafetensorsCheckpoint::open_files(&folder, std::slice::from_ref(&file)).unwrap();
    let tensor = |name: &str| {
        let shape = Checkpoint::shape(&expected, name).unwrap();
        expected.tensor(name, &shape).unwrap()
    };
    let ids: Vec<u32> = tensor("ids").into_iter().map(|id| id as u32).collect();
    let values = |x: &Tensor<2>| -> Vec<f32> { x.clone().into_data().iter::<f32>().collect() };
    let segments = Segments::single(ids.len());
    let mut seen = 0;
    encoder.visit_layers(
        &ids,
        &segments,
        config.num_hidden_layers,
        &mut |layer, hidden| {
            let name = format!("hidden.{layer}");
            assert_close(&values(hidden), &tensor(&name), 1e-5, &name);
            seen += 1;
        },
    );
    assert_eq!(seen, config.num_hidden_layers + 1);
    let last = tensor(&format!("hidden.{}", config.num_hidden_layers));
    let config = EncoderConfig::Bert(config);
    let form = WeightForm::Parameters;
    let network = EncoderNetwork::load_as(&config, &checkpoint, &Device::flex(), form).unwrap();
    let hidden = network.forward(&ids, &vec![0; ids.len()], &segments);
    assert_close(&values(&hidden), &last, 1e-5, "forward");
}

#[test]
fn what_does_not_fit_is_said_and_never_cut() {
    let model = load("kiwi", Precision::F32);
    let long = "The cat sat on the mat. ".repeat(20);
    let sample = Sample {
        source: &long,
        translation: "O gato.",
        reference: None,
    };
    let encoded = model.encode(sample).unwrap();
    assert!(!encoded.fits());
    let error = model.score(&[encoded]).unwrap_err();
    assert!(
        matches!(
            error,
            CometError::TooLong {
                index: 0,
                max_tokens: 128
            }
        ),
        "{error}"
    );
}

#[test]
fn a_metric_that_needs_a_reference_asks_for_it() {
    let model = load("comet", Precision::F32);
    assert!(model.needs_reference());
    let sample = Sample {
        source: "a",
        translation: "b",
        reference: None,
    };
    assert!(matches!(model.encode(sample), Err(CometError::NoReference)));
    assert!(!load("kiwi", Precision::F32).needs_reference());
}

/// The fixture with some of its files changed.
fn changed(variant: &str, change: impl Fn(&Path)) -> Result<CometModel, CometError> {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("checkpoints")).unwrap();
    for name in [
        "hparams.yaml",
        "config.json",
        "tokenizer.json",
        "checkpoints/model.ckpt",
    ] {
        std::fs::copy(folder(variant).join(name), copy.path().join(name)).unwrap();
    }
    change(copy.path());
    CometModel::load(copy.path(), &CometOptions::default(), &Device::flex())
}

#[test]
fn broken_models_are_refused_by_name() {
    let rewrite = |file: &'static str, from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    let error = |result: Result<CometModel, CometError>| result.err().unwrap().to_string();
    assert!(changed("kiwi", |_| {}).is_ok());
    let message = error(changed(
        "kiwi",
        rewrite(
            "config.json",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 3",
        ),
    ));
    assert!(
        message.contains("layerwise_attention.scalar_parameters.3"),
        "{message}"
    );
    let message = error(changed(
        "regression_cls",
        rewrite(
            "config.json",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 1",
        ),
    ));
    assert!(message.contains("encoder.layer.1"), "{message}");
    let message = error(changed(
        "kiwi",
        rewrite(
            "config.json",
            "\"intermediate_size\": 24",
            "\"intermediate_size\": 25",
        ),
    ));
    assert!(
        message.contains("intermediate.dense") && message.contains("[25]"),
        "{message}"
    );
    let message = error(changed("kiwi", |folder| {
        std::fs::remove_file(folder.join("tokenizer.json")).unwrap()
    }));
    assert!(
        message.contains("tokenizer.json of xlm-roberta-large"),
        "{message}"
    );
    let message = error(changed("kiwi", |folder| {
        std::fs::write(folder.join("hparams.yaml"), "a: [").unwrap()
    }));
    assert!(message.contains("hparams.yaml"), "{message}");
    let message = error(changed("kiwi", |folder| {
        std::fs::write(
            folder.join("hparams.yaml"),
            "class_identifier: xcomet_metric",
        )
        .unwrap();
    }));
    assert!(message.contains("xcomet_metric"), "{message}");
    // A tag of Python's is data, never a call.
    let tag = "class_identifier: !!python/object/apply:os.system ['true']";
    let message = error(changed("kiwi", |folder| {
        std::fs::write(folder.join("hparams.yaml"), tag).unwrap()
    }));
    assert!(message.contains("hparams.yaml"), "{message}");
}

#[test]
fn a_malicious_checkpoint_is_refused() {
    let malicious = folder("").join("../pytorch/malicious.ckpt");
    let error = changed("kiwi", |folder| {
        std::fs::copy(&malicious, folder.join("checkpoints/model.ckpt")).unwrap();
    });
    let message = error.err().unwrap().to_string();
    assert!(message.contains("posix.system"), "{message}");
}
