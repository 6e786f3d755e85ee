//! Models as other programs and people leave them: read as Transformers and llama.cpp read them, or
//! refused with the remedy.

mod adapters;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kernels::Segments;
use models::chat_template::Message;
use models::decoders::Config;
use models::export::{StoredFormat, save_huggingface};
use models::gguf::Gguf;
use models::tokenizer::Tokenizer;
use models::{LanguageModel, LoadError};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(path)
}

fn load(path: &Path) -> Result<LanguageModel, LoadError> {
    LanguageModel::load(path, &Device::flex())
}

fn message(path: &Path) -> String {
    load(path).unwrap_err().to_string()
}

const IDS: [u32; 6] = [5, 30, 7, 60, 12, 9];

fn hidden(model: &LanguageModel) -> Vec<f32> {
    let hidden = model.network.forward(&IDS, &Segments::single(IDS.len()));
    hidden.into_data().iter::<f32>().collect()
}

/// A tiny model in a folder of its own.
fn directory() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&reference("gguf/bpe.gguf")).unwrap();
    save_huggingface(&model, folder.path(), StoredFormat::F32).unwrap();
    folder
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

/// Changes the f32 values of one tensor, or adds a copy of another under a new name.
fn edit_tensor(path: &Path, name: &str, copy_of: Option<&str>, change: impl Fn(&mut [f32])) {
    let bytes = fs::read(path).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = (stored.tensors().into_iter())
        .map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
        .collect();
    if let Some(original) = copy_of {
        let (_, shape, data) =
            (tensors.iter().find(|(name, ..)| name == original).unwrap()).clone();
        tensors.push((name.to_owned(), shape, data));
    }
    let (.., data) = tensors
        .iter_mut()
        .find(|(found, ..)| found == name)
        .unwrap();
    let (numbers, _) = data.as_chunks::<4>();
    let mut values: Vec<f32> = numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    change(&mut values);
    *data = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        (
            name.clone(),
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A GGUF file with another metadata key of 4 bytes. A second key keeps its tensors aligned.
fn with_key(gguf: &[u8], key: &str, kind: u32, value: [u8; 4]) -> Vec<u8> {
    let mut added = Vec::new();
    let name = |key: &str, into: &mut Vec<u8>| {
        into.extend((key.len() as u64).to_le_bytes());
        into.extend(key.bytes());
    };
    name(key, &mut added);
    added.extend(kind.to_le_bytes());
    added.extend(value);
    name("test.padding", &mut added);
    added.extend(8u32.to_le_bytes()); // a string
    let length = (added.len() + 8).next_multiple_of(32) - added.len() - 8;
    added.extend((length as u64).to_le_bytes());
    added.extend(std::iter::repeat_n(b'x', length));
    let keys = u64::from_le_bytes(gguf[16..24].try_into().unwrap()) + 2;
    [&gguf[..16], &keys.to_le_bytes(), &added, &gguf[24..]].concat()
}

fn saved(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn rotary_settings_count_as_in_transformers() {
    let config = |extra: Value| {
        let mut json = json!({
            "model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16,
        });
        let keys = extra.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(keys);
        Config::from_json(&json.to_string())
    };
    // Both: rope_scaling counts.
    let both = config(json!({
        "rope_theta": 500.0,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    }));
    let scaling = config(json!({
        "rope_theta": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    }));
    assert_eq!(both.unwrap(), scaling.unwrap());
    let parameters = config(json!({"rope_parameters": {"rope_theta": 500.0}, "rope_scaling": {}}));
    assert_eq!(
        parameters.unwrap(),
        config(json!({"rope_theta": 500.0})).unwrap()
    );
    for (extra, named) in [
        (
            json!({"rope_parameters": {"rope_theta": "1e6"}}),
            "rope_theta",
        ),
        (json!({"rope_theta": "1e6"}), "rope_theta"),
        (json!({"rope_theta": 0}), "rope_theta"),
        (
            json!({"rope_scaling": {"rope_type": "linear", "factor": 0}}),
            "factor",
        ),
        (
            json!({"rope_scaling": {"rope_type": "linear", "factor": "4"}}),
            "factor",
        ),
        (json!({"rms_norm_eps": -1e-5}), "rms_norm_eps"),
        (
            json!({"max_position_embeddings": 1}),
            "max_position_embeddings",
        ),
        (json!({"eos_token_id": -2}), "eos_token_id"),
    ] {
        let error = config(extra.clone()).unwrap_err().to_string();
        assert!(error.contains(named), "{extra}: {error}");
    }
    let none = config(json!({"eos_token_id": -1})).unwrap();
    assert!(none.shape().eos_token_ids.is_empty());
}

#[test]
fn old_keys_of_linear_scaling_in_gguf_count() {
    let bytes = fs::read(reference("gguf/bpe.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (float, four) = (6, 4f32.to_le_bytes());
    let old = saved(
        &folder,
        "old.gguf",
        &with_key(&bytes, "llama.rope.scale_linear", float, four),
    );
    let new = with_key(&bytes, "llama.rope.scaling.factor", float, four);
    let new = saved(&folder, "new.gguf", &new);
    let plain = load(&reference("gguf/bpe.gguf")).unwrap();
    let (old, new) = (load(&old).unwrap(), load(&new).unwrap());
    assert_eq!(hidden(&old), hidden(&new));
    assert_ne!(hidden(&old), hidden(&plain));
    let none = with_key(&bytes, "llama.rope.scale_linear", float, 0f32.to_le_bytes());
    let none = load(&saved(&folder, "none.gguf", &none)).unwrap();
    assert_eq!(hidden(&none), hidden(&plain));
}

#[test]
fn a_gguf_file_that_does_not_say_how_text_is_split_is_refused() {
    let bytes = fs::read(reference("gguf/bpe.gguf")).unwrap();
    let key = b"tokenizer.ggml.pre";
    let at = bytes
        .windows(key.len())
        .position(|bytes| bytes == key)
        .unwrap();
    let mut without = bytes;
    without[at + key.len() - 1] = b'_';
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "without.gguf", &without);
    let error = message(&path);
    assert!(error.contains("`tokenizer.ggml.pre` is missing"), "{error}");
}

#[test]
fn a_space_follows_every_control_token_in_sentence_piece() {
    let tokenizer = Tokenizer::from_gguf(&Gguf::open(reference("gguf/spm.gguf")).unwrap()).unwrap();
    let tokens = |text: &str| -> Vec<String> {
        let ids = tokenizer.encode(text).unwrap();
        ids.into_iter()
            .map(|id| tokenizer.token(id).unwrap())
            .collect()
    };
    let word = tokens("Hello");
    assert!(word[0].starts_with('▁'), "{word:?}");
    let after = tokens("</s>Hello");
    assert_eq!(after[1..], word[..], "{after:?}");
    assert_eq!(tokens("<s>Hello</s>Hello")[1..=word.len()], word[..]);
}

#[test]
fn gguf_files_are_recognised_by_their_content() {
    let bytes = fs::read(reference("gguf/bpe.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plain = hidden(&load(&reference("gguf/bpe.gguf")).unwrap());
    for name in ["sha256-0a1b2c", "MODEL.GGUF"] {
        assert_eq!(hidden(&load(&saved(&folder, name, &bytes)).unwrap()), plain);
    }
    let split = with_key(&bytes, "split.count", 4, 2u32.to_le_bytes());
    for part in ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"] {
        saved(&folder, part, &split);
    }
    fs::remove_file(folder.path().join("MODEL.GGUF")).unwrap();
    for path in [
        folder.path().join("m-00001-of-00002.gguf"),
        folder.path().into(),
    ] {
        let error = message(&path);
        assert!(error.contains("llama-gguf-split --merge"), "{error}");
    }
}

#[test]
fn the_template_of_a_model_is_known_without_its_weights() {
    let folder = directory();
    for path in [reference("gguf/bpe.gguf"), folder.path().into()] {
        let loaded = load(&path).unwrap().chat_template.unwrap();
        let found = LanguageModel::template_of(&path).unwrap();
        assert_eq!(found.as_deref(), Some(loaded.source()));
    }
    let base = reference("llama/grouped_tied");
    assert!(load(&base).unwrap().chat_template.is_none());
    assert_eq!(LanguageModel::template_of(&base).unwrap(), None);
}

#[test]
fn a_template_matters_only_to_those_who_use_it() {
    for (template, reason) in [
        (
            "{% for m in messages %}{{ m.content }}{% endfro %}",
            "endfro",
        ),
        ("{{ raise_exception('tools only') }}", "tools only"),
    ] {
        let folder = directory();
        fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
        let model = load(folder.path()).unwrap();
        assert!(!model.tokenizer.encode_plain("Hello").unwrap().is_empty());
        let used = model.chat_template.unwrap();
        let error = used
            .prompt(&model.tokenizer, &[Message::user("Hi")])
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let folder = directory();
    fs::write(folder.path().join("chat_template.jinja"), endless).unwrap();
    let error = message(folder.path());
    assert!(error.contains("does not come to an end"), "{error}");
}

#[test]
fn an_output_layer_that_is_not_the_token_table_is_not_dropped() {
    let folder = directory();
    edit(&folder.path().join("config.json"), |json| {
        json["tie_word_embeddings"] = true.into()
    });
    let weights = folder.path().join("model.safetensors");
    let stored = fs::read(&weights).unwrap();
    let untied = SafeTensors::deserialize(&stored)
        .unwrap()
        .tensor("lm_head.weight")
        .is_ok();
    let table = "model.embed_tokens.weight";
    if !untied {
        edit_tensor(&weights, "lm_head.weight", Some(table), |_| {});
        load(folder.path()).unwrap();
    }
    edit_tensor(&weights, "lm_head.weight", None, |values| values[3] += 0.5);
    let error = message(folder.path());
    assert!(
        error.contains("tie_word_embeddings") && error.contains("lm_head"),
        "{error}"
    );
}

#[test]
fn values_that_are_no_numbers_are_noticed() {
    for value in [f32::NAN, f32::INFINITY] {
        let folder = directory();
        let weights = folder.path().join("model.safetensors");
        edit_tensor(&weights, "model.norm.weight", None, |values| {
            values[2] = value
        });
        let error = message(folder.path());
        assert!(
            error.contains("`model.norm.weight` holds 1 values"),
            "{error}"
        );
    }
}

#[test]
fn tokens_beyond_the_table_are_no_obstacle_until_they_are_used() {
    let folder = directory();
    let plain = load(folder.path()).unwrap();
    let rows = plain.config.vocab_size;
    let path = folder.path().join("tokenizer.json");
    edit(&path, |json| {
        let added = json["added_tokens"].as_array_mut().unwrap();
        let mut token = added[0].clone();
        token["id"] = rows.into();
        token["content"] = "<pad>".into();
        added.push(token);
        json["model"]["vocab"]["<pad>"] = rows.into();
        json["model"]["vocab"]["qzq"] = (rows + 1).into();
        json["model"]["ignore_merges"] = true.into();
    });
    let wider = load(folder.path()).unwrap();
    let ids = |model: &LanguageModel| model.tokenizer.encode_plain("Hello world").unwrap();
    assert_eq!(ids(&wider), ids(&plain));
    let error = wider.tokenizer.encode_plain("qzq").unwrap_err().to_string();
    assert!(
        error.contains("\"qzq\"") && error.contains(&rows.to_string()),
        "{error}"
    );
}

#[test]
fn a_directory_without_tokenizer_json_names_the_remedy() {
    let folder = directory();
    let tokenizer = folder.path().join("tokenizer.json");
    fs::rename(&tokenizer, folder.path().join("tokenizer.model")).unwrap();
    let error = message(folder.path());
    assert!(
        error.contains("has tokenizer.model") && error.contains("save_pretrained"),
        "{error}"
    );
}

#[test]
fn a_tensor_in_two_shards_is_read_from_the_one_that_the_index_names() {
    let folder = directory();
    let plain = hidden(&load(folder.path()).unwrap());
    let file = |name: &str| folder.path().join(name);
    let (norm, moved) = ("model.norm.weight", "model.layers.0.input_layernorm.weight");
    let bytes = fs::read(file("model.safetensors")).unwrap();
    fs::rename(file("model.safetensors"), file("a.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    // The second shard repeats a tensor, with values that nobody wants.
    let zeros = vec![0; stored.tensor(norm).unwrap().data().len()];
    let shape = stored.tensor(norm).unwrap().shape().to_vec();
    let repeated = TensorView::new(Dtype::F32, shape, &zeros).unwrap();
    let second = [(norm, repeated), (moved, stored.tensor(moved).unwrap())];
    fs::write(
        file("b.safetensors"),
        safetensors::serialize(second, None).unwrap(),
    )
    .unwrap();
    let mut listed = serde_json::Map::new();
    for name in stored.names() {
        let shard = if name == moved {
            "b.safetensors"
        } else {
            "a.safetensors"
        };
        listed.insert(name.to_string(), shard.into());
    }
    let index = json!({"weight_map": listed}).to_string();
    fs::write(file("model.safetensors.index.json"), index).unwrap();
    assert_eq!(hidden(&load(folder.path()).unwrap()), plain);
}
