//! Directories: other names of the same tensors, and what is missing or wrong.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use models::encoders::EncoderModel;
use models::{LoadError, WeightForm};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::all;
use crate::fixture::{Fixture, folder};
use crate::tensors::values;

fn load(folder: &Path) -> Result<EncoderModel, LoadError> {
    EncoderModel::load_as(folder, &Device::flex(), WeightForm::Parameters)
}

/// A copy of a fixture's model, changed.
fn changed(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    change(copy.path());
    copy
}

/// Renames tensors; those whose new name is `None` are dropped, and `more` are added.
fn rename(folder: &Path, name: impl Fn(&str) -> Option<String>, more: &[&str]) {
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors();
    let mut renamed: BTreeMap<String, TensorView<'_>> = tensors
        .iter()
        .filter_map(|(old, tensor)| Some((name(old)?, tensor.clone())))
        .collect();
    for name in more {
        renamed.insert((*name).to_owned(), tensors[0].1.clone());
    }
    safetensors::serialize_to_file(renamed, None, &path).unwrap();
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} holds no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// A model with a head, the first BERT's names of norms, and an NLLB without its decoder or output
/// layer.
#[test]
fn checkpoints_with_other_names_load() {
    let same = |old: &str| old.to_owned();
    let with_head = |old: &str| Some(format!("roberta.{old}"));
    let of_bert = |old: &str| {
        let norm = old.replace("LayerNorm.weight", "LayerNorm.gamma");
        Some(format!(
            "bert.{}",
            norm.replace("LayerNorm.bias", "LayerNorm.beta")
        ))
    };
    let encoder_alone = |old: &str| {
        let kept = old.contains("encoder.") || old.contains("shared");
        kept.then(|| same(old).replacen("model.", "", 1))
    };
    let copies = [
        (
            "xlm_roberta",
            changed("xlm_roberta", |folder| {
                rename(
                    folder,
                    with_head,
                    &["lm_head.bias", "roberta.embeddings.position_ids"],
                );
            }),
        ),
        (
            "bert",
            changed("bert", |folder| {
                rename(
                    folder,
                    of_bert,
                    &["bert.pooler.dense.weight", "cls.predictions.bias"],
                );
            }),
        ),
        (
            "nllb",
            changed("nllb", |folder| rename(folder, encoder_alone, &[])),
        ),
    ];
    for (name, copy) in copies {
        let fixture = Fixture::load(name, &Device::flex());
        let expected = values(fixture.hidden(&fixture.model.network));
        let model = load(copy.path()).unwrap();
        assert_eq!(values(fixture.hidden(&model.network)), expected, "{name}");
        assert_ne!(model.identity.revision, fixture.model.identity.revision);
    }
}

#[test]
fn shape_and_identity_without_weights() {
    for name in all() {
        let model = Fixture::load(name, &Device::flex()).model;
        let copy = changed(name, |_| ());
        assert_eq!(
            &EncoderModel::shape_of(copy.path()).unwrap(),
            model.shape(),
            "{name}"
        );
        let identity = EncoderModel::identity_of(copy.path()).unwrap();
        assert_eq!(identity.revision, model.identity.revision, "{name}");
    }
    let shape = EncoderModel::shape_of(folder("xlm_roberta")).unwrap();
    assert_eq!(
        (shape.max_tokens, shape.hidden_size, shape.layers),
        (128, 16, 2)
    );
    assert_eq!(
        EncoderModel::shape_of(folder("bert")).unwrap().max_tokens,
        128
    );
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &str); 8] = [
        (
            "bert",
            |f| std::fs::remove_file(f.join("config.json")).unwrap(),
            "no config.json",
        ),
        (
            "bert",
            |f| std::fs::remove_file(f.join("tokenizer.json")).unwrap(),
            "no tokenizer.json",
        ),
        (
            "nllb",
            |f| std::fs::remove_file(f.join("model.safetensors")).unwrap(),
            "contains no weights",
        ),
        (
            "bert",
            |f| edit(f, "config.json", "\"bert\"", "\"electra\""),
            "`model_type` is \"electra\", which is not supported; use one of \"bert\", \
             \"xlm-roberta\", \"roberta\", \"camembert\", \"m2m_100\"",
        ),
        (
            "bert",
            |f| {
                edit(
                    f,
                    "config.json",
                    "\"num_hidden_layers\": 2",
                    "\"num_hidden_layers\": 1",
                )
            },
            "16 tensors have no place",
        ),
        (
            "xlm_roberta",
            |f| {
                edit(
                    f,
                    "config.json",
                    "\"num_hidden_layers\": 2",
                    "\"num_hidden_layers\": 3",
                )
            },
            "encoder.layer.2.",
        ),
        (
            "nllb",
            |f| {
                edit(
                    f,
                    "config.json",
                    "\"encoder_layers\": 2",
                    "\"encoder_layers\": 1",
                )
            },
            "16 tensors have no place",
        ),
        (
            "bert",
            |f| {
                edit(
                    f,
                    "config.json",
                    "\"hidden_size\": 20",
                    "\"hidden_size\": 21",
                )
            },
            "`hidden_size` (21) is not a multiple",
        ),
    ];
    for (name, change, part) in cases {
        let copy = changed(name, change);
        let error = load(copy.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(error.contains(copy.path().to_str().unwrap()), "{error}");
    }
}
