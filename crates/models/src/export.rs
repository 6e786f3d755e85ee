//! Writing models as Transformers and PEFT read them.

mod encoder;
pub(crate) mod files;
mod gguf;
mod modelfile;
mod original_format;
pub(crate) mod weights;

use std::path::{Path, PathBuf};

use burn::Tensor;
use serde_json::{Map, Value, json};

use crate::adapter_directory::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, PREFIX};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::decoders::{Network, one_or_many};
use crate::huggingface::SINGLE;
use crate::language_model::LanguageModel;
use crate::layers::NamedLinears;
use crate::tokenizer::TokenizerError;

pub use crate::adapter_directory::base_of_adapter;
pub use encoder::save_encoder;
use files::Folder;
pub use gguf::{GgufNumbers, save_gguf};
pub use modelfile::modelfile;
pub use original_format::stored_format;
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
    /// The files that an encoder was loaded from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A full model was to be saved as an adapter.
    #[error("the model has no LoRA adapter; save it as a Hugging Face directory")]
    NoAdapter,
    /// A model that let its weights go was to be saved.
    #[error(
        "the model's weights were let go once they were packed; save the model they were loaded from"
    )]
    Packed,
    /// A model without its output layer was to be saved.
    #[error("the model was read for its hidden states, without its output layer; load it whole")]
    WithoutOutput,
    /// Adapter files in a model's directory: loaders would attach them to the merged weights.
    #[error("{0} holds the files of an adapter; choose another directory for the model")]
    AdapterInTheWay(PathBuf),
}

/// Whether all weights of a network are there to be saved.
fn check_whole(network: &Network) -> Result<(), ExportError> {
    match network.has_output() {
        _ if network.is_packed() => Err(ExportError::Packed),
        false => Err(ExportError::WithoutOutput),
        true => Ok(()),
    }
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
    check_whole(&model.network)?;
    let mut config = model.network.config().to_json(format.name())?;
    config["eos_token_id"] = one_or_many(&model.config.eos_token_ids);
    let folder = Folder::create(directory)?;
    let merged = model.network.clone().merge_lora();
    folder.weights(SINGLE, weights::tensors(&merged), format)?;
    write_tokenizer(model, &folder)?;
    folder.json("generation_config.json", &generation_config(model))?;
    folder.json("config.json", &config)
}

/// Writes named matrices as one safetensors file; its folder is made if it is missing.
pub fn save_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, Tensor<2>)>,
    format: StoredFormat,
) -> Result<(), ExportError> {
    let tensors = tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name.to_owned(), weights::Values::new(tensor)));
    let folder = Folder::create(path.parent().unwrap_or(Path::new("")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder.weights(&name, tensors.collect(), format)
}

/// Writes a PEFT adapter directory. The base model stays where it is; its absolute path is noted,
/// so that the adapter is found to belong to it from every working directory.
///
/// `adapter_config.json` is written last: a directory without one is unfinished.
pub fn save_peft_adapter(
    model: &LanguageModel,
    base: &Path,
    directory: &Path,
) -> Result<(), ExportError> {
    let network = &model.network;
    let adapters = weights::adapters(network.linears());
    let transposed = |name: &str| network.stores_transposed(name);
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    write_adapter(adapters, transposed, "CAUSAL_LM", &base, directory)
}

/// Writes the PEFT adapter directory of a model, with `base` as given; `task` is PEFT's `task_type`, and `transposed` says
/// whether the model's checkpoints store a weight as [in, out].
pub(crate) fn write_adapter(
    adapters: Vec<weights::Adapter>,
    transposed: impl Fn(&str) -> bool,
    task: &str,
    base: &Path,
    directory: &Path,
) -> Result<(), ExportError> {
    let Some(first) = adapters.first() else {
        return Err(ExportError::NoAdapter);
    };
    let config = json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": base,
        "revision": null,
        "r": first.rank,
        "lora_alpha": first.scale * first.rank as f64,
        "lora_dropout": first.dropout,
        "target_modules": targets(&adapters),
        "bias": "none",
        "fan_in_fan_out": adapters
            .iter()
            .any(|adapter| transposed(&format!("{}.weight", adapter.layer))),
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

/// Writes the tokenizer and the chat template beside an adapter, so that Transformers loads them
/// from there.
pub fn save_tokenizer(model: &LanguageModel, directory: &Path) -> Result<(), ExportError> {
    write_tokenizer(model, &Folder::create(directory)?)
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
