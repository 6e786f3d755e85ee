//! Writing models as Transformers and PEFT read them.

mod files;
mod weights;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::adapter_directory::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, PREFIX};
use crate::config_error::ConfigError;
use crate::decoders::one_or_many;
use crate::huggingface::SINGLE;
use crate::language_model::LanguageModel;
use crate::tokenizer::TokenizerError;

use files::Folder;
pub use weights::StoredFormat;

/// Why a model could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written: the disk is full, the directory is read-only …
    #[error("cannot write {path}: {message}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The configuration has no counterpart in Transformers.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A full model was to be saved as an adapter.
    #[error("the model has no LoRA adapter; save it as a Hugging Face directory")]
    NoAdapter,
    /// A model that let its weights go was to be saved.
    #[error(
        "the model's weights were let go once they were packed; save the model they were loaded from"
    )]
    Packed,
    /// Adapter files in a model's directory: loaders would attach them to the merged weights.
    #[error("{0} holds the files of an adapter; choose another directory for the model")]
    AdapterInTheWay(PathBuf),
}

/// Writes a Hugging Face model directory: adapters are merged, tied weights written once.
///
/// `config.json` is written last: a directory without one is unfinished.
pub fn save_huggingface(
    model: &LanguageModel,
    directory: &Path,
    format: StoredFormat,
) -> Result<(), ExportError> {
    if directory.join(ADAPTER_CONFIG).exists() {
        return Err(ExportError::AdapterInTheWay(directory.to_path_buf()));
    }
    if model.network.is_packed() {
        return Err(ExportError::Packed);
    }
    let mut config = model.network.config().to_json(format.name())?;
    config["eos_token_id"] = one_or_many(&model.config.eos_token_ids);
    let folder = Folder::create(directory)?;
    let merged = model.network.clone().merge_lora();
    folder.weights(SINGLE, weights::tensors(&merged), format)?;
    write_tokenizer(model, &folder)?;
    folder.json("generation_config.json", &generation_config(model))?;
    folder.json("config.json", &config)
}

/// Writes a PEFT adapter directory; the base model stays where `base` says.
///
/// `adapter_config.json` is written last: a directory without one is unfinished.
pub fn save_peft_adapter(
    model: &LanguageModel,
    base: &Path,
    directory: &Path,
) -> Result<(), ExportError> {
    let adapters = weights::adapters(&model.network);
    let Some(first) = adapters.first() else {
        return Err(ExportError::NoAdapter);
    };
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "revision": null,
        "r": first.rank,
        "lora_alpha": first.scale * first.rank as f64,
        "lora_dropout": first.dropout,
        "target_modules": targets(&adapters),
        "bias": "none",
        "fan_in_fan_out": adapters.iter().any(|adapter| {
            let weight = format!("{}.weight", adapter.layer);
            model.network.stores_transposed(&weight)
        }),
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
        "use_dora": false,
        "use_rslora": false,
    });
    let folder = Folder::create(directory)?;
    let tensors = adapters
        .into_iter()
        .flat_map(|adapter| {
            let name = |part: &str| format!("{PREFIX}{}.{part}.weight", adapter.layer);
            [(name("lora_A"), adapter.a), (name("lora_B"), adapter.b)]
        })
        .collect();
    folder.weights(ADAPTER_WEIGHTS, tensors, StoredFormat::F32)?;
    folder.json(ADAPTER_CONFIG, &config)
}

/// Last parts of the adapted layers' names, each once.
fn targets(adapters: &[weights::Adapter]) -> Vec<&str> {
    let last = |adapter: &'_ weights::Adapter| adapter.layer.rfind('.').map_or(0, |at| at + 1);
    let mut names: Vec<&str> = adapters.iter().map(|a| &a.layer[last(a)..]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn generation_config(model: &LanguageModel) -> Value {
    let special = model.tokenizer.special();
    json!({
        "bos_token_id": model.tokenizer.bos_id(),
        "eos_token_id": one_or_many(&model.stop_tokens),
        "pad_token_id": special.pad.as_deref().and_then(|pad| model.tokenizer.id(pad)),
    })
}

fn write_tokenizer(model: &LanguageModel, folder: &Folder) -> Result<(), ExportError> {
    let special: Map<String, Value> = model
        .tokenizer
        .special()
        .named()
        .map(|(name, token)| (name.to_owned(), json!(token)))
        .collect();
    let config = match &model.tokenizer_config {
        Some(config) => {
            let mut config = config.clone();
            // The template has a file of its own, which overrides this key.
            config
                .as_object_mut()
                .map(|config| config.remove("chat_template"));
            config
        }
        None => {
            let mut config = special.clone();
            config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
            config.insert("clean_up_tokenization_spaces".into(), json!(false));
            config.insert(
                "model_max_length".into(),
                json!(model.config.max_position_embeddings),
            );
            Value::Object(config)
        }
    };
    folder.text("tokenizer.json", &model.tokenizer.to_json()?)?;
    folder.json("tokenizer_config.json", &config)?;
    folder.json("special_tokens_map.json", &Value::Object(special))?;
    match &model.chat_template {
        Some(template) => folder.text("chat_template.jinja", template.source()),
        None => Ok(()),
    }
}
