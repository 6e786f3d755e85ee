//! Whatever bytes a model file holds: an answer or an error, never a panic, and no more memory
//! than a few times the file.

#[path = "../../models/tests/damage/mod.rs"]
mod damage;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use corpus::seam::LanguageIdentifier;
use damage::{LARGEST, damage, damaged, reference};
use engines::cld3::Cld3Identifier;
use engines::fasttext::FastTextIdentifier;
use engines::firefox::FirefoxTranslator;
use proptest::collection::vec;
use proptest::prelude::*;

/// More than any of these files can ask for with reason.
const MUCH: usize = 32 << 20;

fn fasttext(path: &Path) {
    if let Ok(identifier) = FastTextIdentifier::load(path) {
        for text in ["", "a padaria abre cedo e fecha tarde", "漢字 \u{0} é"] {
            identifier.predict(text);
            identifier.identify(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_fasttext_models_are_read_or_refused(
        file in 0usize..4,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let name = ["softmax.ftz", "hierarchical.ftz", "hierarchical.bin", "sigmoid.bin"][file];
        let whole = fs::read(reference("fasttext").join(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        fs::write(&path, damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        fasttext(&path);
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn anything_after_the_magic_number_is_read_or_refused(
        bytes in vec(any::<u8>(), 0..400),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        let head = [793_712_314i32.to_le_bytes(), 12i32.to_le_bytes()].concat();
        fs::write(&path, [head, bytes].concat()).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        fasttext(&path);
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_cld3_parameters_are_read_or_refused(
        damage in vec((0.0..1.0f64, "[0-9a-zA-Z{}\\[\\],;:=/*\\-.#é \n]{1,6}"), 1..4),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference("cld3/tiny_params.cc")).unwrap();
        let damage: Vec<(f64, Vec<u8>)> =
            damage.into_iter().map(|(at, text)| (at, text.into_bytes())).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lang_id_nn_params.cc");
        fs::write(&path, damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(identifier) = Cld3Identifier::load(&path) {
            let (_, probability) = identifier.find_language("a padaria abre cedo");
            prop_assert!(probability.is_nan() || probability <= 1.0);
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    /// Whatever a text holds, CLD3 gives an answer: the squeezing and the spans move bytes about.
    #[test]
    fn no_text_confuses_cld3(text in "(\\PC|[ \t\n\u{0}-\u{a0}]|[aàあ漢กह가]{1,60}| {1,60}){0,80}") {
        let identifier = Cld3Identifier::load(&reference("cld3/tiny_params.cc")).unwrap();
        let (_, probability) = identifier.find_language(&text);
        prop_assert!(probability > 0.0 && probability <= 1.0);
    }
}

/// A Firefox model with an embedding of 8 rows and nothing else: model, vocabulary and shortlist.
fn firefox() -> [(&'static str, Vec<u8>); 3] {
    let numbers = |numbers: &[u64]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let shape = [8i32, 4].map(i32::to_le_bytes).concat();
    let model = [
        numbers(&[1, 1, 5, 0x404, 2, 128]),
        b"Wemb\0".to_vec(),
        shape,
        numbers(&[0]),
        vec![0; 128],
    ];
    let piece = |text: &str| {
        let piece = [
            &[0x0a, text.len() as u8],
            text.as_bytes(),
            &[0x15, 0, 0, 0x80, 0xbf],
        ]
        .concat();
        [&[0x0a, piece.len() as u8], &piece[..]].concat()
    };
    let vocabulary = [
        "</s>",
        "<unk>",
        "\u{2581}a",
        "a",
        "b",
        "\u{e9}",
        "1",
        "\u{2581}",
    ]
    .map(piece);
    let shortlist = [numbers(&[0, 0, 0, 0, 3, 2, 0, 1, 2]), vec![0; 8]];
    [
        ("model.bin", model.concat()),
        ("vocab.spm", vocabulary.concat()),
        ("lex.bin", shortlist.concat()),
    ]
}

#[test]
fn the_firefox_model_that_is_damaged_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in firefox() {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let error = FirefoxTranslator::load(folder.path())
        .err()
        .expect("no layers")
        .to_string();
    assert!(error.contains("the model cannot"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_firefox_models_are_refused(
        file in 0usize..3,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (number, (name, bytes)) in firefox().into_iter().enumerate() {
            let bytes = if number == file { damaged(&bytes, &damage, length) } else { bytes };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        LARGEST.store(0, Ordering::Relaxed);
        let error = FirefoxTranslator::load(folder.path()).err().expect("no layers").to_string();
        prop_assert!(error.starts_with("firefox: "), "{}", error);
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }
}
