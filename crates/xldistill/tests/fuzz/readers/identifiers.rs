//! Models of language identifiers and Firefox.

use corpus::language::Language;
use corpus::seam::{LanguageIdentifier, Translator};
use engines::cld3::Cld3Identifier;
use engines::fasttext::FastTextIdentifier;
use engines::firefox::FirefoxTranslator;

use crate::bytes::damage;
use crate::runner::{Files, Reader, any, file};
use crate::text;

const TEXTS: [&str; 3] = ["", "a padaria abre cedo e fecha tarde", "漢字 \u{0} é"];

#[test]
fn fasttext() {
    let names = [
        "softmax.ftz",
        "hierarchical.ftz",
        "hierarchical.bin",
        "sigmoid.bin",
    ];
    let mut seeds: Vec<Files> = names
        .iter()
        .map(|name| file("model.bin", &format!("fasttext/{name}")))
        .collect();
    // The magic number and the version, before anything.
    let head = [793_712_314i32.to_le_bytes(), 12i32.to_le_bytes()].concat();
    let head = [head, vec![0; 64]].concat();
    seeds.push(Files::from([("model.bin".to_owned(), head)]));
    Reader {
        name: "fasttext",
        seeds,
        inputs: 1000,
        memory: 32 << 20,
        change: &|chance, files, other| {
            let (_, content) = any(chance, files);
            damage(chance, content, &other["model.bin"]);
        },
        read: &|folder| {
            let Ok(identifier) = FastTextIdentifier::load(&folder.join("model.bin")) else {
                return false;
            };
            for text in TEXTS {
                identifier.predict(text);
                identifier.identify(text);
            }
            true
        },
    }
    .fuzz();
}

#[test]
fn cld3() {
    let seed = file("lang_id_nn_params.cc", "cld3/tiny_params.cc");
    Reader {
        name: "cld3",
        seeds: vec![seed],
        inputs: 150,
        memory: 32 << 20,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            text::change(
                chance,
                content,
                &[
                    "{", "}", "[", "]", ",", ";", "1e9", "-1", "0x", "f", "/*", "const ",
                ],
            );
        },
        read: &|folder| {
            let parameters = folder.join("lang_id_nn_params.cc");
            let Ok(identifier) = Cld3Identifier::load(&parameters) else {
                return false;
            };
            for text in TEXTS {
                let (_, probability) = identifier.find_language(text);
                assert!(probability.is_nan() || probability <= 1.0, "{probability}");
            }
            true
        },
    }
    .fuzz();
}

/// A Firefox model with an embedding of 8 rows and nothing else: model, vocabulary and shortlist.
fn firefox_files() -> Files {
    let numbers = |numbers: &[u64]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let model = [
        numbers(&[1, 1, 5, 0x404, 2, 128]),
        b"Wemb\0".to_vec(),
        [8i32, 4].map(i32::to_le_bytes).concat(),
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
    let pieces = [
        "</s>",
        "<unk>",
        "\u{2581}a",
        "a",
        "b",
        "\u{e9}",
        "1",
        "\u{2581}",
    ];
    let shortlist = [numbers(&[0, 0, 0, 0, 3, 2, 0, 1, 2]), vec![0; 8]];
    Files::from([
        ("model.bin".to_owned(), model.concat()),
        ("vocab.spm".to_owned(), pieces.map(piece).concat()),
        ("lex.bin".to_owned(), shortlist.concat()),
    ])
}

#[test]
fn firefox() {
    Reader {
        name: "firefox",
        seeds: vec![firefox_files()],
        inputs: 600,
        memory: 64 << 20,
        change: &|chance, files, other| {
            let lent = other["vocab.spm"].clone();
            let (_, content) = any(chance, files);
            damage(chance, content, &lent);
        },
        read: &|folder| match FirefoxTranslator::load(folder) {
            // Whole as it is, the model has no layers.
            Err(error) => {
                assert!(error.to_string().starts_with("firefox: "), "{error}");
                error.to_string().contains("the model cannot")
            }
            Ok(translator) => translator
                .translate(&["a".to_owned()], Language::ENGLISH, Language::PORTUGUESE)
                .is_ok(),
        },
    }
    .fuzz();
}
