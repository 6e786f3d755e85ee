//! PEFT adapters.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::json;
use tempfile::TempDir;

use crate::{edit, edit_tensor, hidden, load, message, reference};

/// An adapter of the tiny Llama of `reference/mt_llm`.
fn adapter(weights: &str, base: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = reference("mt_llm/llama_adapter");
    fs::copy(
        from.join("adapter_config.json"),
        folder.path().join("adapter_config.json"),
    )
    .unwrap();
    let weights = reference(weights);
    fs::copy(&weights, folder.path().join(weights.file_name().unwrap())).unwrap();
    edit(&folder.path().join("adapter_config.json"), |json| {
        json["base_model_name_or_path"] = json!(base);
    });
    folder
}

#[test]
fn the_settings_of_an_adapter_are_part_of_its_revision() {
    let base = reference("mt_llm/llama");
    let adapter = adapter("mt_llm/llama_adapter/adapter_model.safetensors", &base);
    let revision = || models::llm2vec::adapter_revision(adapter.path()).unwrap();
    let before = revision();
    let config = adapter.path().join("adapter_config.json");
    // Where the base model lies says nothing about the adapter; how it is scaled does.
    edit(&config, |json| {
        json["base_model_name_or_path"] = json!("elsewhere")
    });
    assert_eq!(revision(), before);
    edit(&config, |json| json["lora_alpha"] = json!(4096));
    assert_ne!(revision(), before);
    fs::remove_file(&config).unwrap();
    assert!(models::llm2vec::adapter_revision(adapter.path()).is_err());
}

#[test]
fn an_adapter_in_the_older_format_is_the_same_adapter() {
    let base = reference("mt_llm/llama");
    let new = adapter("mt_llm/llama_adapter/adapter_model.safetensors", &base);
    let old = adapter("pytorch/adapter_model.bin", &base);
    let [base, new, old] = [&base, new.path(), old.path()].map(|path| hidden(&load(path).unwrap()));
    assert_eq!(old, new);
    assert_ne!(old, base);
}

#[test]
fn safetensors_with_the_name_of_the_older_format_are_read() {
    let base = reference("mt_llm/llama");
    let new = adapter("mt_llm/llama_adapter/adapter_model.safetensors", &base);
    let expected = hidden(&load(new.path()).unwrap());
    let [from, to] =
        ["safetensors", "bin"].map(|end| new.path().join(format!("adapter_model.{end}")));
    fs::rename(from, to).unwrap();
    assert_eq!(hidden(&load(new.path()).unwrap()), expected);
}

#[test]
fn adapters_that_lead_nowhere_name_the_remedy() {
    let base = reference("mt_llm/llama");
    let weights = "mt_llm/llama_adapter/adapter_model.safetensors";
    let first = adapter(weights, &base);
    let second = adapter(weights, first.path());
    load(second.path()).unwrap();
    let lead = |from: &TempDir, to: &Path| {
        edit(&from.path().join("adapter_config.json"), |json| {
            json["base_model_name_or_path"] = json!(to);
        });
    };
    for to in [first.path(), second.path()] {
        lead(&first, to);
        for path in [first.path(), second.path()] {
            let error = message(path);
            assert!(error.contains("leads back to the adapter"), "{error}");
        }
    }
    lead(&first, &base);
    let weights = first.path().join("adapter_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let any = SafeTensors::deserialize(&bytes).unwrap().names()[0].to_owned();
    let table = "base_model.model.embed_tokens.weight";
    edit_tensor(&weights, table, Some(&any), |_| {});
    let error = message(first.path());
    assert!(
        error.contains(table) && error.contains("merge_and_unload"),
        "{error}"
    );
}
