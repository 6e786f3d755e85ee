//! Other files of the same model: older configurations, GGUF, adapters, and what is written.

use burn::tensor::Device;
use models::LanguageModel;
use models::NamedLinears;
use models::decoders::Config;
use models::export::{GgufNumbers, StoredFormat, save_gguf, save_huggingface, save_peft_adapter};
use serde_json::Value;

use crate::Beside::{Adapter, Gguf, OlderConfig};
use crate::fixture::{Fixture, config, reference};
use crate::forward::continue_greedily;
use crate::gradients::{check, gradients};
use crate::tensors::values;
use crate::{all, with};

#[test]
fn an_older_configuration_is_read_as_the_same_model() {
    for name in with(OlderConfig) {
        let folder = reference(name);
        let [older, newer] = ["older_config.json", "config.json"].map(|file| folder.join(file));
        assert_eq!(config(&older), config(&newer), "{name}");
    }
}

#[test]
fn a_written_configuration_is_read_as_the_same_model() {
    for name in all() {
        let path = reference(name).join("config.json");
        let config = config(&path);
        let written = config.to_json("float32").unwrap();
        let again = Config::from_json(&written.to_string()).unwrap();
        assert_eq!(again, config, "{name}");
        // Transformers refuses 256.0 for an integer.
        let original: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (key, value) in written.as_object().unwrap() {
            if original[key].is_u64() {
                assert_eq!(value, &original[key], "{name}: {key}");
            }
        }
    }
}

#[test]
fn a_gguf_file_holds_the_same_model() {
    for name in with(Gguf) {
        let path = reference(&format!("{name}.gguf"));
        let model = LanguageModel::load(path, &Device::flex()).unwrap();
        let fixture = Fixture::of(model.network, name);
        fixture.check_hidden_states_and_logits();
        fixture.check_loss();
        let expected = &fixture.expected;
        let new = expected.generated[0].len();
        let generated = continue_greedily(&fixture.network, &expected.sequences, new);
        assert_eq!(generated, expected.generated, "{name}");
    }
}

/// The files of the `gguf` package hold the conventions of llama.cpp's converter: names, the order of
/// rows, transposed and shifted weights, divisors of frequencies.
#[test]
fn a_written_gguf_file_holds_the_same_tensors() {
    let folder = tempfile::tempdir().unwrap();
    for name in with(Gguf) {
        let path = reference(&format!("{name}.gguf"));
        let model = LanguageModel::load(&path, &Device::flex()).unwrap();
        let own = format!("{}.gguf", name.replace('/', "-"));
        save_gguf(&model, folder.path(), &own, GgufNumbers::F32).unwrap();
        let [expected, found] =
            [path, folder.path().join(&own)].map(|path| models::gguf::Gguf::open(path).unwrap());
        let names = |file: &models::gguf::Gguf| {
            let mut names: Vec<_> = file.tensors().keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(names(&found), names(&expected), "{name}");
        for (tensor, info) in expected.tensors() {
            let written = &found.tensors()[tensor];
            assert_eq!(written.shape, info.shape, "{name}: {tensor}");
            assert_eq!(
                found.values(written),
                expected.values(info),
                "{name}: {tensor}"
            );
        }
        let again = LanguageModel::load(folder.path().join(&own), &Device::flex()).unwrap();
        assert_eq!(again.network.config(), model.network.config(), "{name}");
        assert_eq!(again.stop_tokens, model.stop_tokens, "{name}");
        let [found, expected] =
            [again, model].map(|model| values(Fixture::of(model.network, name).hidden()));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn what_llama_cpp_would_compute_otherwise_is_not_written() {
    let model = LanguageModel::load(reference("gemma3/scaled"), &Device::flex()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = save_gguf(&model, folder.path(), "a.gguf", GgufNumbers::F32);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("every sixth block"), "{message}");
}

/// What PEFT calls a parameter of an adapter.
fn in_peft(parameter: &str) -> Option<String> {
    let (module, matrix) = parameter.split_once(".lora.lora_")?;
    let matrix = matrix.to_uppercase();
    Some(format!("base_model.model.{module}.lora_{matrix}.weight"))
}

#[test]
fn an_adapter_computes_what_it_does_in_peft() {
    for name in with(Adapter) {
        let name = format!("{name}_lora");
        let device = Device::flex().autodiff();
        let model = LanguageModel::load(reference(&name), &device).unwrap();
        let fixture = Fixture::of(model.network.clone(), &name);
        fixture.check_hidden_states_and_logits();
        fixture.check_loss();
        let mut trained = Vec::new();
        for (parameter, gradient) in gradients(&fixture) {
            if let Some(stored) = in_peft(&parameter) {
                check(&fixture, &parameter, &stored, gradient);
                trained.push(stored);
            }
        }
        trained.sort();
        assert_eq!(trained, fixture.trained(), "{name}");

        let folder = tempfile::tempdir().unwrap();
        let base = reference(name.trim_end_matches("_lora"));
        save_peft_adapter(&model, &base, folder.path()).unwrap();
        let again = LanguageModel::load(folder.path(), &Device::flex()).unwrap();
        let again = Fixture::of(again.network, &name);
        again.check_hidden_states_and_logits();

        let merged = Fixture::of(again.network.merge_lora(), &name);
        merged.check_hidden_states_and_logits();
        let new = merged.expected.generated[0].len();
        let generated = continue_greedily(&merged.network, &merged.expected.sequences, new);
        assert_eq!(generated, merged.expected.generated, "{name}");
    }
}

#[test]
fn a_saved_model_is_the_same_model() {
    for name in with(Adapter) {
        let model = LanguageModel::load(reference(name), &Device::flex()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        save_huggingface(&model, folder.path(), StoredFormat::F32).unwrap();
        let again = LanguageModel::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(again.network.config(), model.network.config(), "{name}");
        let [found, expected] =
            [again, model].map(|model| values(Fixture::of(model.network, name).hidden()));
        assert_eq!(found, expected, "{name}");
    }
}
