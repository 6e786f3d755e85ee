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
