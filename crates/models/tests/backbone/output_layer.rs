//! The output layer of an LLM: not read by those who need hidden states alone, and not lost by them.

use burn::module::Module;
use burn::tensor::Device;
use models::decoders::Config;
use models::export::{ExportError, StoredFormat, save_huggingface};
use models::{
    Backbone, BackboneNetwork, Classifier, LanguageModel, ModelDirectory, NamedLinears, Network,
    SaveOptions, WeightForm,
};

use crate::fixture::{Texts, folder, pooled, settings};
use crate::tensors::values;

/// A Hugging Face directory with the LLM of the fixtures, random, with an output layer of its own.
fn untied(device: &Device) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut model = LanguageModel::load(folder("llama"), device).unwrap();
    let text = std::fs::read_to_string(folder("llama").join("config.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["tie_word_embeddings"] = false.into();
    let config = Config::from_json(&json.to_string()).unwrap();
    model.network = Network::random(&config, 7, device, WeightForm::Parameters);
    save_huggingface(&model, place.path(), StoredFormat::F32).unwrap();
    place
}

#[test]
fn hidden_states_need_no_output_layer() {
    let (texts, device) = (Texts::load(), Device::flex());
    let place = untied(&device);
    let [whole, states] = [LanguageModel::load_as, LanguageModel::load_states]
        .map(|load| load(place.path(), &device, WeightForm::Parameters).unwrap());
    let shape = &whole.config;
    let saved = whole.network.num_params() - states.network.num_params();
    assert_eq!(saved, shape.vocab_size * shape.hidden_size);
    let error = save_huggingface(&states, &place.path().join("new"), StoredFormat::F32);
    assert!(
        matches!(error, Err(ExportError::WithoutOutput)),
        "{error:?}"
    );
    let [whole, states] = [whole, states].map(|model| {
        values(pooled(
            &Backbone::of_llm(model, settings("llama")),
            &texts.all(),
        ))
    });
    assert_eq!(states, whole);
}

#[test]
#[should_panic(expected = "has no output layer")]
fn logits_of_a_network_without_output_layer_are_not_those_of_its_token_table() {
    let device = Device::flex();
    let place = untied(&device);
    let model = LanguageModel::load_states(place.path(), &device, WeightForm::Parameters).unwrap();
    model.network.output_weight();
}

#[test]
fn an_llm_that_was_trained_without_its_output_layer_is_written_with_it() {
    let device = Device::flex();
    let place = untied(&device);
    let output = |path: &std::path::Path| {
        let model = LanguageModel::load(path, &device).unwrap();
        values(model.network.output_weight())
    };
    let expected = output(place.path());
    let model = LanguageModel::load_states(place.path(), &device, WeightForm::Parameters).unwrap();
    let (backbone, network) = Backbone::of_llm(model, settings("llama"));
    let save = |network: BackboneNetwork, folder: &str, whole_model: bool| {
        let classifier = Classifier {
            backbone: backbone.clone(),
            network,
            heads: Default::default(),
        };
        let path = place.path().join(folder);
        let options = SaveOptions {
            whole_model,
            ..Default::default()
        };
        classifier.save(&path, &options).unwrap();
        path
    };
    let adapted = network.clone().with_lora(&Default::default(), 5).unwrap();
    let adapted = save(adapted, "adapted", false);
    let merged = place.path().join("merged");
    let directory = ModelDirectory::open(&adapted).unwrap();
    directory.merge_llm(&merged, StoredFormat::F32).unwrap();
    assert_eq!(output(&merged), expected);

    save(network, "whole", true);
    let description = ModelDirectory::open(place.path().join("whole")).unwrap();
    let llm = description.description().llm.as_ref().unwrap().path.clone();
    assert_eq!(output(&place.path().join("whole").join(llm)), expected);
}
