//! CLD3 answers as its reference implementation does (`reference/cld3/export.py`), with random
//! parameters and with the published ones.

use std::fs;
use std::path::PathBuf;

use corpus::language::Language;
use corpus::seam::{Identification, LanguageIdentifier};
use engines::cld3::{Cld3Identifier, LABELS};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    published: Vec<(String, f32)>,
    tiny: Vec<(String, f32)>,
}

fn reference() -> PathBuf {
    fixtures::reference("cld3")
}

fn expected() -> Expected {
    let text = fs::read_to_string(reference().join("expected.json")).expect("the fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// The published parameters.
fn published() -> Cld3Identifier {
    let folder = fixtures::model(fixtures::CLD3);
    Cld3Identifier::load(&folder).unwrap_or_else(|e| panic!("{e}"))
}

fn compare(identifier: &Cld3Identifier, texts: &[String], expected: &[(String, f32)]) {
    assert_eq!(texts.len(), expected.len());
    for (text, (label, probability)) in texts.iter().zip(expected) {
        let (own_label, own_probability) = identifier.find_language(text);
        assert_eq!(own_label, label, "{text:?}");
        assert!(
            (own_probability - probability).abs() < 1e-4,
            "{text:?}: {own_probability} where the reference says {probability}"
        );
    }
}

#[test]
fn random_parameters_give_the_reference_answers() {
    let identifier =
        Cld3Identifier::load(&reference().join("tiny_params.cc")).unwrap_or_else(|e| panic!("{e}"));
    let expected = expected();
    compare(&identifier, &expected.texts, &expected.tiny);
}

#[test]
fn every_label_is_a_language_or_left_out_on_purpose() {
    let unmapped: Vec<&str> = LABELS
        .into_iter()
        .filter(|label| Language::from_cld3(label).is_none())
        .collect();
    // Languages that FLORES-200 lacks, and romanised ones.
    assert_eq!(
        unmapped,
        [
            "co", "zh-Latn", "hmn", "fy", "la", "ru-Latn", "haw", "bg-Latn", "hi-Latn", "el-Latn",
            "ja-Latn"
        ]
    );
    for language in Language::all() {
        if let Some(label) = language.cld3() {
            assert!(LABELS.contains(&label), "{language}: {label}");
        }
    }
}

#[test]
fn files_that_are_no_parameters_are_named_with_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = |content: &[u8]| {
        let path = folder.path().join("lang_id_nn_params.cc");
        fs::write(&path, content).expect("a file");
        let error = Cld3Identifier::load(folder.path()).err().expect("an error");
        error.to_string()
    };
    let whole = fs::read_to_string(reference().join("tiny_params.cc")).expect("the fixture");
    assert!(error(b"\xff").contains("byte 0 is not text"));
    assert!(error(b"<html>").contains("line 1: expected an array"));
    assert!(error(b"").contains("kEmbeddingsNumRows is missing"));
    assert!(error(&whole.as_bytes()[..whole.len() / 2]).contains("the file ends within"));
    let broken = whole.replacen(
        "uint8 LangIdNNParams::kEmbeddingsWeights0[] = {\n  ",
        "uint8 LangIdNNParams::kEmbeddingsWeights0[] = {\n  256u, ",
        1,
    );
    assert!(error(broken.as_bytes()).contains("kEmbeddingsWeights0 has 321 values; expected 320"));
    let broken = whole.replacen(
        "kHiddenNumRows[] = {\n  80",
        "kHiddenNumRows[] = {\n  81",
        1,
    );
    assert!(error(broken.as_bytes()).contains("kHidden: 81 × 12 weights"));
    let missing = folder.path().join("none").join("x.cc");
    let error = Cld3Identifier::load(&missing).err().expect("an error");
    assert!(error.to_string().contains("none/x.cc"), "{error}");
}

mod with_models {
    use super::*;

    #[test]
    #[ignore = "needs models: make test-models"]
    fn published_parameters_give_the_reference_answers() {
        let identifier = published();
        let expected = expected();
        compare(&identifier, &expected.texts, &expected.published);
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn sentences_are_identified_and_answers_without_a_language_are_not() {
        let identifier = published();
        for text in [
            "",
            "1969",
            "42 + 1 = 43",
            "Paris",
            "Albert Einstein",
            "\0",
            "😀",
        ] {
            assert_eq!(
                identifier.identify(text),
                Identification::Abstained,
                "{text:?}"
            );
        }
        let portuguese = "A padaria da esquina abre cedo e fecha quando o pão acaba.";
        assert!(matches!(
            identifier.identify(portuguese),
            Identification::Identified { language: Language::PORTUGUESE, probability } if probability > 0.9
        ));
        assert!(identifier.knows(Language::PORTUGUESE));
        assert!(!identifier.knows(Language::with_code("oci_Latn")));
    }
}

#[test]
fn a_value_that_is_no_number_is_named() {
    let text = fs::read_to_string(reference().join("tiny_params.cc")).expect("the fixture");
    let at = text.find("kSoftmaxBiasWeights0").expect("the array");
    let at = at + text[at..].find('{').expect("its values") + 1;
    let end = at + text[at..].find(',').expect("a second value");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lang_id_nn_params.cc");
    fs::write(&path, format!("{} 1e99f{}", &text[..at], &text[end..])).expect("writable");
    let error = Cld3Identifier::load(&path)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("value 0 of kSoftmaxBiasWeights0 is inf"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a text holds, there is an answer: squeezing and spans move bytes about.
    #[test]
    fn no_text_confuses_it(text in "(\\PC|[ \t\n\u{0}-\u{a0}]|[aàあ漢กह가]{1,60}| {1,60}){0,80}") {
        let identifier = Cld3Identifier::load(&reference().join("tiny_params.cc")).expect("parameters");
        let (_, probability) = identifier.find_language(&text);
        prop_assert!(probability > 0.0 && probability <= 1.0);
    }
}
