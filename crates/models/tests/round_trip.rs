//! What is written is read back, and bad files are named.

use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::module::Param;
use burn::tensor::Device;
use kernels::{Precision, Segments};
use models::decoders::Config;
use models::export::{ExportError, StoredFormat, save_huggingface, save_peft_adapter};
use models::{LanguageModel, LoraConfig, LoraTargetError, NamedLinears, Network, WeightForm};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

fn load(path: &Path) -> Result<LanguageModel, models::LoadError> {
    LanguageModel::load(path, &Device::flex())
}

const IDS: [u32; 7] = [5, 300, 7, 260, 12, 100, 9];

fn hidden(model: &LanguageModel) -> Vec<f32> {
    let hidden = model.network.forward(&IDS, &Segments::single(IDS.len()));
    hidden.into_data().iter::<f32>().collect()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    let off = fixtures::difference(found, expected);
    assert!(off <= tolerance, "off by {off}");
}

/// A saved model: the tiny BPE model from GGUF as a Hugging Face directory.
fn saved(folder: &Path, format: StoredFormat) -> LanguageModel {
    let model = load(&reference("gguf/bpe.gguf")).unwrap();
    save_huggingface(&model, folder, format).unwrap();
    model
}

#[test]
fn a_saved_model_is_the_same_model() {
    for (format, tolerance) in [
        (StoredFormat::F32, 0.0),
        (StoredFormat::BF16, 0.05),
        (StoredFormat::F16, 0.01),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let model = saved(folder.path(), format);
        let again = load(folder.path()).unwrap();
        assert_eq!(again.config, model.config);
        assert_eq!(again.tokenizer.special(), model.tokenizer.special());
        assert_eq!(again.stop_tokens, model.stop_tokens);
        let text = "Hello 2024, olá <|im_end|>";
        assert_eq!(
            again.tokenizer.encode(text).unwrap(),
            model.tokenizer.encode(text).unwrap()
        );
        let source =
            |model: &LanguageModel| model.chat_template.as_ref().map(|t| t.source().to_owned());
        assert_eq!(source(&again), source(&model));
        assert_close(&hidden(&again), &hidden(&model), tolerance);
        // A second generation: from the directory, not from the GGUF file.
        let second = tempfile::tempdir().unwrap();
        save_huggingface(&again, second.path(), format).unwrap();
        for name in [
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors",
        ] {
            let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
            assert_eq!(read(folder.path()), read(second.path()), "{name}");
        }
    }
}

#[test]
fn tied_weights_are_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), StoredFormat::F32);
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert!(tensors.names().contains(&"model.embed_tokens.weight"));
    assert!(!tensors.names().contains(&"lm_head.weight"));
}

#[test]
fn a_copy_for_inference_is_not_saved() {
    let model = load(&reference("gguf/bpe.gguf"))
        .unwrap()
        .packed(Precision::F32);
    let folder = tempfile::tempdir().unwrap();
    let error = save_huggingface(&model, folder.path(), StoredFormat::F32).unwrap_err();
    assert!(matches!(error, ExportError::Packed), "{error}");
}

/// Packing each block as it is read gives what packing the whole model gives.
#[test]
fn weights_may_be_packed_while_they_are_read() {
    for format in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let path = reference("gguf/bpe.gguf");
        let form = WeightForm::Packed(format);
        let read = LanguageModel::load_as(&path, &Device::flex(), form).unwrap();
        assert!(read.network.is_packed());
        let later = load(&path).unwrap().packed(format);
        assert_close(&hidden(&read), &hidden(&later), 0.0);
        let logits = |model: &LanguageModel| {
            let hidden = model.network.forward(&IDS, &Segments::single(IDS.len()));
            model.network.logits(hidden).into_data()
        };
        assert_eq!(logits(&read), logits(&later));
    }
}

fn with_adapter(mut model: LanguageModel) -> LanguageModel {
    let config = LoraConfig {
        r: 3,
        lora_alpha: 12.0,
        ..LoraConfig::default()
    };
    model.network = model.network.with_lora(&config, 3).unwrap();
    model.network = model.network.map_linears(|name, mut layer| {
        if name.ends_with("q_proj") || name.ends_with("down_proj") {
            let lora = layer.lora.as_mut().unwrap();
            lora.lora_b = Param::from_tensor(Tensor::ones_like(&lora.lora_b.val()) * 0.1);
        }
        layer
    });
    model
}

#[test]
fn an_adapter_comes_back_on_its_base() {
    let base = tempfile::tempdir().unwrap();
    let plain = saved(base.path(), StoredFormat::F32);
    let model = with_adapter(load(base.path()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    save_peft_adapter(&model, base.path(), folder.path()).unwrap();
    let again = load(folder.path()).unwrap();
    assert_close(&hidden(&again), &hidden(&model), 0.0);
    assert!(again.identity.revision.contains('+'));

    // The place of the base is noted from the root, and is not part of the adapter's identity.
    let path = folder.path().join("adapter_config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let place = base.path().display().to_string();
    assert!(
        base.path().is_absolute() && config.contains(&place),
        "{config}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("base");
    std::fs::create_dir(&moved).unwrap();
    for file in std::fs::read_dir(base.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), moved.join(file.file_name())).unwrap();
    }
    let changed = config.replace(&place, &moved.display().to_string());
    std::fs::write(&path, changed).unwrap();
    assert_eq!(load(folder.path()).unwrap().identity, again.identity);
    std::fs::write(&path, config).unwrap();

    let moved = hidden(&again)
        .iter()
        .zip(hidden(&plain))
        .any(|(a, b)| (a - b).abs() > 1e-2);
    assert!(moved, "the adapter must act");

    // Saved as a full model, the adapter is in the weights.
    let merged = tempfile::tempdir().unwrap();
    save_huggingface(&again, merged.path(), StoredFormat::F32).unwrap();
    assert_close(
        &hidden(&load(merged.path()).unwrap()),
        &hidden(&model),
        1e-4,
    );

    let error = save_huggingface(&again, folder.path(), StoredFormat::F32).unwrap_err();
    assert!(matches!(error, ExportError::AdapterInTheWay(_)), "{error}");
    let error = save_peft_adapter(&plain, base.path(), merged.path()).unwrap_err();
    assert!(matches!(error, ExportError::NoAdapter), "{error}");
}

#[test]
fn an_adapter_may_stand_on_another() {
    let base = tempfile::tempdir().unwrap();
    saved(base.path(), StoredFormat::F32);
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = with_adapter(load(base.path()).unwrap());
    save_peft_adapter(&model, base.path(), first.path()).unwrap();
    let mut model = load(first.path()).unwrap();
    let below = hidden(&model);
    model.network = model.network.merge_lora();
    let model = with_adapter(model);
    save_peft_adapter(&model, first.path(), second.path()).unwrap();
    let again = load(second.path()).unwrap();
    assert_close(&hidden(&again), &hidden(&model), 1e-4);
    let moved = (hidden(&again).iter().zip(below)).any(|(a, b)| (a - b).abs() > 1e-2);
    assert!(moved, "both adapters must act");
}

#[test]
fn adapters_that_cannot_be_attached_are_refused() {
    let model = load(&reference("gguf/bpe.gguf")).unwrap();
    let config = LoraConfig {
        target_modules: vec!["c_attn".into()],
        ..LoraConfig::default()
    };
    let error = model.network.clone().with_lora(&config, 0).unwrap_err();
    assert!(
        matches!(&error, LoraTargetError::Target { target, .. } if target == "c_attn"),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    let write = |base: &str, extra: &str| {
        let text = format!(
            r#"{{"peft_type":"LORA","base_model_name_or_path":"{base}","r":3,"lora_alpha":6{extra}}}"#
        );
        std::fs::write(folder.path().join("adapter_config.json"), text).unwrap();
        load(folder.path()).unwrap_err().to_string()
    };
    let error = write("/nowhere/base", "");
    assert!(
        error.contains("/nowhere/base") && error.contains("base_model_name"),
        "{error}"
    );
    let error = write("/nowhere/base", r#","use_dora":true"#);
    assert!(error.contains("`use_dora`"), "{error}");
}

/// Changes one file of a saved model and says what loading makes of it.
fn broken(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), StoredFormat::F32);
    let path = folder.path().join(name);
    std::fs::write(&path, change(std::fs::read(&path).unwrap())).unwrap();
    load(folder.path()).unwrap_err().to_string()
}

fn replaced(from: &str, to: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(&from), "{from}");
        text.replace(&from, &to).into_bytes()
    }
}

#[test]
fn bad_files_are_named_with_what_is_wrong() {
    for length in [0, 4, 100, 5000] {
        let error = broken("model.safetensors", |bytes| bytes[..length].to_vec());
        assert!(error.contains("model.safetensors"), "{length}: {error}");
    }
    let error = broken("config.json", |bytes| bytes[..20].to_vec());
    assert!(error.contains("config.json"), "{error}");
    let error = broken("config.json", replaced("\"llama\"", "\"gpt_neox\""));
    assert!(
        error.contains("model_type") && error.contains("gpt_neox"),
        "{error}"
    );
    let error = broken("config.json", replaced("\"silu\"", "\"gelu\""));
    assert!(
        error.contains("hidden_act") && error.contains("gelu"),
        "{error}"
    );
    let error = broken(
        "config.json",
        replaced("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
    );
    assert!(
        error.contains("`model.layers.2.") && error.contains("missing"),
        "{error}"
    );
    let error = broken(
        "config.json",
        replaced("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
    );
    assert!(
        error.contains("`model.layers.1.") && error.contains("no place"),
        "{error}"
    );
    let error = broken(
        "config.json",
        replaced("\"intermediate_size\": 56", "\"intermediate_size\": 64"),
    );
    assert!(
        error.contains("`model.layers.0.mlp.") && error.contains("[56, 32]"),
        "{error}"
    );
    let error = broken(
        "config.json",
        replaced("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3"),
    );
    assert!(error.contains("num_key_value_heads"), "{error}");
    let error = broken("tokenizer.json", |bytes| bytes[..bytes.len() / 2].to_vec());
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let model = saved(tempfile::tempdir().unwrap().path(), StoredFormat::F32);
    let error = model
        .tokenizer
        .check_vocabulary(96)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not match the model") && error.contains("96"),
        "{error}"
    );
}

#[test]
fn paths_that_hold_no_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("contains no model"), "{error}");
    let error = load(&folder.path().join("missing"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not exist"), "{error}");
    std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
    let error = load(&folder.path().join("notes.txt"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a GGUF file"), "{error}");
}

#[test]
fn configurations_that_are_not_built_are_refused() {
    let with = |extra: &str| {
        let text = format!(
            r#"{{"model_type":"llama","vocab_size":8,"hidden_size":8,"intermediate_size":8,
                "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":16{extra}}}"#
        );
        Config::from_json(&text)
    };
    assert!(with("").is_ok());
    for (extra, named) in [
        (r#","rope_scaling":{"rope_type":"yarn","factor":2}"#, "yarn"),
        (r#","rope_scaling":{"rope_type":"linear"}"#, "`factor`"),
        (
            r#","quantization_config":{"bits":4}"#,
            "quantization_config",
        ),
        (r#","partial_rotary_factor":0.5"#, "partial_rotary_factor"),
        (r#","head_dim":3"#, "head_dim"),
        (r#","head_dim":99999999"#, "head_dim"),
    ] {
        let error = with(extra).unwrap_err().to_string();
        assert!(error.contains(named), "{extra}: {error}");
    }
}

#[test]
fn a_sliding_window_hides_what_is_further_away() {
    let config = |window: &str| {
        let text = format!(
            r#"{{"model_type":"mistral","vocab_size":8,"hidden_size":8,"intermediate_size":8,
            "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":16,
            "sliding_window":{window}}}"#
        );
        Config::from_json(&text).unwrap()
    };
    assert_eq!(config("3").shape().max_position_embeddings, 16);
    let hidden = |window: &str, ids: &[u32]| -> Vec<f32> {
        let device = Device::flex();
        let network = Network::random(&config(window), 1, &device, WeightForm::Parameters);
        let hidden = network.forward(ids, &Segments::single(ids.len()));
        hidden.into_data().iter::<f32>().collect()
    };
    let near = |window, ids: &[u32]| hidden(window, ids)[..3 * 8].to_vec();
    let last = |window, ids: &[u32]| hidden(window, ids)[4 * 8..].to_vec();
    // One block: the last of five tokens sees three.
    assert_eq!(last("3", &[1, 2, 3, 4, 5]), last("3", &[7, 6, 3, 4, 5]));
    assert_ne!(last("3", &[1, 2, 3, 4, 5]), last("3", &[1, 2, 6, 4, 5]));
    assert_ne!(
        last("null", &[1, 2, 3, 4, 5]),
        last("null", &[7, 6, 3, 4, 5])
    );
    assert_eq!(near("3", &[1, 2, 3]), near("null", &[1, 2, 3]));
}
