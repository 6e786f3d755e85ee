//! CometKiwi as a quality estimator, on the tiny metrics of `reference/comet`.

use std::fs;
use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::seam::{QualityEstimator, ScoredTranslation, TranslationMetric};
use engines::comet_kiwi::{CometKiwi, CometKiwiConfig};
use models::ComputeDevice;
use models::comet::{CometOptions, Sample};
use serde_json::Value;

fn folder(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference/comet")
        .join(variant)
}

fn kiwi() -> CometKiwi {
    CometKiwi::load_reference_free(
        &folder("kiwi"),
        &CometOptions::default(),
        ComputeDevice::Cpu,
    )
    .unwrap()
}

fn estimate(kiwi: &CometKiwi, pairs: &[(&str, &str)]) -> Vec<f64> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(source, translation)| (source.to_string(), translation.to_string()))
        .collect();
    kiwi.estimate(&pairs, Language::ENGLISH, Language::parse("por").unwrap())
        .unwrap()
}

#[test]
fn estimates_are_those_of_unbabel_comet() {
    let text = std::fs::read_to_string(folder("kiwi").join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let samples = expected["samples"].as_array().unwrap();
    let pairs: Vec<_> = samples
        .iter()
        .map(|sample| {
            (
                sample["src"].as_str().unwrap(),
                sample["mt"].as_str().unwrap(),
            )
        })
        .collect();
    let scores = estimate(&kiwi(), &pairs);
    for (score, expected) in scores.iter().zip(expected["scores"].as_array().unwrap()) {
        let expected = expected.as_f64().unwrap();
        assert!(
            (score - expected).abs() < 1e-5,
            "{score} instead of {expected}"
        );
    }
    assert_eq!(scores.len(), samples.len());
}

#[test]
fn a_long_text_has_the_mean_of_its_sentences() {
    let kiwi = kiwi();
    let sources = [
        "The cat sat on the mat.",
        "Water boils at 100 degrees, as it did before.",
        "She sells sea shells.",
        "Good morning!",
        "The mat sat on the cat and on the sea.",
    ];
    let translations = [
        "O gato sentou-se no tapete.",
        "A água ferve a 100 graus, como dantes.",
        "Ela vende conchas.",
        "Bom dia!",
        "O tapete sentou-se no gato e no mar.",
    ];
    let pieces = |text: &str| {
        let sample = Sample {
            source: "",
            translation: text,
            reference: None,
        };
        kiwi.model().encode(sample).unwrap().translation_pieces as f64
    };
    let pairs: Vec<_> = sources.into_iter().zip(translations).collect();
    let apart = estimate(&kiwi, &pairs);
    let weights = translations.map(pieces);
    let total: f64 = weights.iter().sum();
    let expected = apart
        .iter()
        .zip(weights)
        .map(|(score, weight)| score * weight)
        .sum::<f64>()
        / total;
    let (source, translation) = (sources.join(" "), translations.join("\n"));
    let sample = Sample {
        source: &source,
        translation: &translation,
        reference: None,
    };
    assert!(!kiwi.model().encode(sample).unwrap().fits());
    let together = estimate(&kiwi, &[(&source, &translation)])[0];
    assert!(
        (together - expected).abs() < 1e-6,
        "{together} instead of {expected}"
    );
}

#[test]
fn the_end_of_a_long_text_counts() {
    let kiwi = kiwi();
    let source = "The cat sat on the mat. ".repeat(40);
    let translation = "O gato sentou-se no tapete. ".repeat(40);
    let bad = translation.clone() + &"Emoji 🙂 conchas 100. ".repeat(40);
    let scores = estimate(&kiwi, &[(&source, &translation), (&source, &bad)]);
    assert!((scores[0] - scores[1]).abs() > 1e-4, "{scores:?}");
}

#[test]
fn any_text_has_a_score() {
    let kiwi = kiwi();
    let one_word = "a".repeat(3000);
    let no_spaces = "東京は日本の首都です".repeat(100);
    let control = "\u{0}\u{7}\u{202e} \u{feff}".repeat(50);
    let pairs = [
        ("", ""),
        ("", one_word.as_str()),
        (one_word.as_str(), "x"),
        (no_spaces.as_str(), no_spaces.as_str()),
        (control.as_str(), "Bom dia!"),
        ("One. Two. Three. Four.", one_word.as_str()),
    ];
    for (score, pair) in estimate(&kiwi, &pairs).iter().zip(pairs) {
        assert!(score.is_finite(), "{pair:?}");
    }
    assert!(estimate(&kiwi, &[]).is_empty());
}

#[test]
fn a_metric_that_needs_references_is_no_estimator() {
    let options = CometOptions::default();
    let error = CometKiwi::load_reference_free(&folder("comet"), &options, ComputeDevice::Cpu)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("wmt22-cometkiwi-da"), "{error}");
    assert!(CometKiwi::load(&folder("comet"), &options, ComputeDevice::Cpu).is_ok());
}

#[test]
fn the_identity_says_what_scores_depend_on() {
    let estimator = kiwi();
    let identity = estimator.identity();
    assert_eq!(identity.engine, "cometkiwi");
    assert!(
        identity.parameters.contains("softmax"),
        "{}",
        identity.parameters
    );
    assert!(
        identity.parameters.contains("F32"),
        "{}",
        identity.parameters
    );
    assert_eq!(estimator.default_threshold(), 0.8);
}

#[test]
fn a_metric_of_an_evaluation_scores_as_unbabel_comet() {
    for (variant, engine, reads_references) in [
        ("comet", "comet", true),
        ("unified_reference", "comet", true),
        ("kiwi", "cometkiwi", false),
        ("referenceless_max", "cometkiwi", false),
    ] {
        let config = CometKiwiConfig {
            model: Some(folder(variant).into()),
            ..CometKiwiConfig::default()
        };
        let metric = config.metric(ComputeDevice::Cpu).unwrap();
        assert_eq!(metric.identity().engine, engine);
        assert_eq!(metric.compares_with_references(), reads_references);
        let text = std::fs::read_to_string(folder(variant).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let samples = expected["samples"].as_array().unwrap();
        let translations: Vec<_> = samples
            .iter()
            .map(|sample| ScoredTranslation {
                source: sample["src"].as_str().unwrap(),
                translation: sample["mt"].as_str().unwrap(),
                reference: sample["ref"].as_str().unwrap(),
            })
            .collect();
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        let scores = metric.score(&translations, from, to).unwrap();
        let expected = expected["scores"].as_array().unwrap();
        assert_eq!(scores.len(), expected.len());
        for (score, expected) in scores.iter().zip(expected) {
            let expected = expected.as_f64().unwrap();
            assert!(
                (score - expected).abs() < 1e-5,
                "{variant}: {score} instead of {expected}"
            );
        }
    }
}

/// It was divided for ever, until the stack overflowed.
#[test]
fn a_tokenizer_that_lengthens_every_text_is_an_error() {
    let changed = tempfile::tempdir().unwrap();
    let kiwi = folder("kiwi");
    fs::create_dir(changed.path().join("checkpoints")).unwrap();
    for file in ["hparams.yaml", "config.json", "checkpoints/model.ckpt"] {
        fs::copy(kiwi.join(file), changed.path().join(file)).unwrap();
    }
    let text = fs::read_to_string(kiwi.join("tokenizer.json")).unwrap();
    let mut tokenizer: Value = serde_json::from_str(&text).unwrap();
    let parts = tokenizer["post_processor"]["single"]
        .as_array_mut()
        .unwrap();
    let a_text = parts.iter().find(|part| part.get("Sequence").is_some());
    let a_text = a_text.unwrap().clone();
    parts.extend(vec![a_text; 200]);
    fs::write(changed.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let options = CometOptions::default();
    let kiwi =
        CometKiwi::load_reference_free(changed.path(), &options, ComputeDevice::Cpu).unwrap();
    let pairs = [("A cat.".to_owned(), "Um gato.".to_owned())];
    let portuguese = Language::parse("por").unwrap();
    let error = kiwi.estimate(&pairs, Language::ENGLISH, portuguese);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("a single character has more than"),
        "{error}"
    );
}
