//! PEFT adapter directories: `adapter_config.json` and `adapter_model.safetensors`, or
//! `adapter_model.bin` of older versions.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, CheckpointError, finite_tensor, reject_unexpected};
use crate::decoders::Shape;
use crate::huggingface;
use crate::huggingface::SafetensorsCheckpoint;
use crate::identity::{self, ModelIdentity};
use crate::language_model::{LanguageModel, LoadError};
use crate::layers::{Linear, LoraConfig, MapLayer, Parts};
use crate::pytorch::PytorchCheckpoint;
use crate::tokenizer::Tokenizer;

/// File name of an adapter's configuration.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// File name of an adapter's weights.
pub(crate) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The same in the format of PyTorch.
const PYTORCH_WEIGHTS: &str = "adapter_model.bin";
/// Prefix that PEFT adds to the names of the base model's modules.
pub(crate) const PREFIX: &str = "base_model.model.";

/// Whether the file at `path` is one of safetensors, whatever its name: the length of a header and
/// its first brace.
fn is_safetensors(path: &Path) -> bool {
    let mut begins = [0; 9];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins[8] == b'{'
}

/// Error returned when an adapter cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The configuration requires an unsupported feature.
    #[error("{path}: {message}")]
    Config {
        /// `adapter_config.json`.
        path: PathBuf,
        /// The problem, with the key concerned.
        message: String,
    },
    /// The base model.
    #[error("{path}: its base model cannot be loaded: {source}")]
    Base {
        /// The adapter's directory.
        path: PathBuf,
        /// The cause.
        source: Box<LoadError>,
    },
    /// The adapter's weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// `adapter_config.json` as written.
#[derive(Deserialize)]
struct Written {
    peft_type: String,
    base_model_name_or_path: Option<PathBuf>,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    bias: Option<String>,
    modules_to_save: Option<Vec<String>>,
    rank_pattern: Option<Value>,
    alpha_pattern: Option<Value>,
}

impl Written {
    /// The first setting that changes the computation in an unsupported way.
    fn unsupported(&self) -> Option<&'static str> {
        let set = |value: &Option<Value>| {
            value
                .as_ref()
                .and_then(Value::as_object)
                .is_some_and(|map| !map.is_empty())
        };
        [
            (self.peft_type != "LORA", "`peft_type` other than \"LORA\""),
            (self.use_dora, "`use_dora`"),
            (
                self.bias.as_deref().is_some_and(|bias| bias != "none"),
                "`bias` other than \"none\"",
            ),
            (
                self.modules_to_save.as_ref().is_some_and(|m| !m.is_empty()),
                "`modules_to_save`",
            ),
            (set(&self.rank_pattern), "`rank_pattern`"),
            (set(&self.alpha_pattern), "`alpha_pattern`"),
            (self.r == 0, "rank `r` of 0"),
        ]
        .into_iter()
        .find_map(|(wrong, name)| wrong.then_some(name))
    }
}

/// The adapter's configuration.
fn read_config(directory: &Path) -> Result<Written, AdapterError> {
    let path = directory.join(ADAPTER_CONFIG);
    let config_error = |message: String| AdapterError::Config {
        path: path.clone(),
        message,
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    let written: Written =
        serde_json::from_str(&text).map_err(|error| config_error(error.to_string()))?;
    if let Some(name) = written.unsupported() {
        return Err(config_error(format!(
            "{name} is not supported; merge the adapter with PEFT"
        )));
    }
    Ok(written)
}

/// The adapter's configuration and the location of its base model, which may be an adapter, too.
fn read(directory: &Path) -> Result<(Written, PathBuf), AdapterError> {
    let (written, base) = read_one(directory)?;
    let mut seen = vec![real(directory)];
    let mut next = base.clone();
    while next.join(ADAPTER_CONFIG).is_file() {
        if seen.contains(&real(&next)) {
            return Err(AdapterError::Config {
                path: directory.join(ADAPTER_CONFIG),
                message: format!(
                    "`base_model_name_or_path` leads back to the adapter {}, so there is no model \
                     under it; set it to the path of the base model",
                    next.display()
                ),
            });
        }
        seen.push(real(&next));
        next = read_one(&next)?.1;
    }
    Ok((written, base))
}

/// A path by which a directory can be recognised.
fn real(directory: &Path) -> PathBuf {
    directory
        .canonicalize()
        .unwrap_or_else(|_| directory.into())
}

fn read_one(directory: &Path) -> Result<(Written, PathBuf), AdapterError> {
    let written = read_config(directory)?;
    let config_error = |message: String| AdapterError::Config {
        path: directory.join(ADAPTER_CONFIG),
        message,
    };
    let base = written.base_model_name_or_path.as_ref().ok_or_else(|| {
        config_error("`base_model_name_or_path` is missing; set it to the base model's path".into())
    })?;
    let base = [base.clone(), directory.join(base)]
        .into_iter()
        .find(|base| base.exists())
        .ok_or_else(|| {
            config_error(format!(
                "`base_model_name_or_path` is {}, which is not on this disk; set it to the path \
                 of the base model",
                base.display()
            ))
        })?;
    Ok((written, base))
}

/// The base model of the adapter in `directory`; `None` if there is no adapter.
pub fn base_of_adapter(directory: &Path) -> Result<Option<PathBuf>, AdapterError> {
    match directory.join(ADAPTER_CONFIG).is_file() {
        true => Ok(Some(read(directory)?.1)),
        false => Ok(None),
    }
}

fn base_error(directory: &Path) -> impl Fn(LoadError) -> AdapterError {
    move |source| AdapterError::Base {
        path: directory.into(),
        source: Box::new(source),
    }
}

/// The chat template beside the adapter or, if there is none, that of the base model.
pub(crate) fn template(directory: &Path) -> Result<Option<String>, AdapterError> {
    let (_, base) = read(directory)?;
    match huggingface::own_template(directory)? {
        Some(own) => Ok(Some(own)),
        None => LanguageModel::template_of(&base).map_err(base_error(directory)),
    }
}

/// Identity of the base model and adapter together.
pub(crate) fn identity(directory: &Path) -> Result<ModelIdentity, AdapterError> {
    let (_, base) = read(directory)?;
    let base = LanguageModel::identity_of(&base).map_err(base_error(directory))?;
    Ok(identity::with_adapter(&base, directory)?)
}

/// The base model's shape.
pub(crate) fn shape(directory: &Path) -> Result<Shape, AdapterError> {
    let (_, base) = read(directory)?;
    LanguageModel::shape_of(&base).map_err(base_error(directory))
}

/// The base model's tokenizer.
pub(crate) fn tokenizer(directory: &Path) -> Result<Tokenizer, AdapterError> {
    let (_, base) = read(directory)?;
    LanguageModel::tokenizer_of(&base).map_err(base_error(directory))
}

/// Loads the base model with the adapter attached to its layers, which `map` then replaces.
pub(crate) fn load(
    directory: &Path,
    device: &Device,
    map: &mut MapLayer<'_>,
    parts: Parts,
) -> Result<LanguageModel, AdapterError> {
    let (written, base) = read(directory)?;
    let mut adapter = AdapterFile::of(written, directory)?;
    let weights = adapter.weights.path();
    let attach = &mut |name: &str, layer: Linear| {
        // The base may be an adapter itself.
        let layer = adapter.attach(name, layer.merged())?;
        map(name, layer)
    };
    let model = LanguageModel::load_mapped(&base, device, attach, parts);
    let mut model = model.map_err(|error| match error {
        LoadError::Checkpoint(error) if error.path() == weights => error.into(),
        error => base_error(directory)(error),
    })?;
    adapter.finish()?;
    // The one it was trained with, which the base model may lack.
    if let Some(own) = huggingface::own_template(directory)? {
        model = model.bringing(&own).map_err(base_error(directory))?;
    }
    model.identity = identity::with_adapter(&model.identity, directory)?;
    Ok(model)
}

/// The matrices of an adapter directory, to be attached to the layers of a model.
pub(crate) struct AdapterFile {
    config: LoraConfig,
    weights: Box<dyn Checkpoint>,
    used: HashSet<String>,
}

impl AdapterFile {
    /// Opens the adapter in `directory`, whatever base model it names.
    pub fn open(directory: &Path) -> Result<Self, AdapterError> {
        Self::of(read_config(directory)?, directory)
    }

    fn of(written: Written, directory: &Path) -> Result<Self, AdapterError> {
        let files = [ADAPTER_WEIGHTS, PYTORCH_WEIGHTS].map(|name| directory.join(name));
        let weights: Box<dyn Checkpoint> = match files.each_ref().map(|file| file.is_file()) {
            [false, true] if is_safetensors(&files[1]) => {
                Box::new(SafetensorsCheckpoint::open_files(directory, &files[1..])?)
            }
            [false, true] => Box::new(PytorchCheckpoint::open(directory, &files[1..], None)?),
            _ => Box::new(SafetensorsCheckpoint::open_files(directory, &files[..1])?),
        };
        Ok(Self {
            config: LoraConfig {
                r: written.r,
                lora_alpha: written.lora_alpha,
                lora_dropout: written.lora_dropout,
                use_rslora: written.use_rslora,
                target_modules: Vec::new(), // The weights themselves say which layers are adapted.
            },
            weights,
            used: HashSet::new(),
        })
    }

    /// The layer `name` with its adapter, if it has one.
    pub fn attach(&mut self, name: &str, layer: Linear) -> Result<Linear, CheckpointError> {
        // Adapters of a model without its output layer (PEFT around `AutoModel`, as LLM2Vec
        // publishes them) omit the first part of the names.
        let inner = name.split_once('.').map_or(name, |(_, inner)| inner);
        let stored = [name, inner]
            .map(|name| ["lora_A", "lora_B"].map(|part| format!("{PREFIX}{name}.{part}.weight")));
        let stored = stored.into_iter();
        let mut found = stored.filter(|names| names.iter().any(|name| self.weights.contains(name)));
        let Some(names) = found.next() else {
            return Ok(layer);
        };
        let ([outputs, inputs], device) = (layer.shape(), layer.weight.device());
        let read = |name: &str, shape: [usize; 2]| -> Result<Tensor<2>, CheckpointError> {
            let values = finite_tensor(self.weights.as_ref(), name, &shape)?;
            Ok(Tensor::from_data(TensorData::new(values, shape), &device))
        };
        let a = read(&names[0], [self.config.r, inputs])?;
        let b = read(&names[1], [outputs, self.config.r])?;
        self.used.extend(names);
        Ok(layer.with_adapter(a, b, self.config.scale(), self.config.lora_dropout))
    }

    /// Fails if the adapter holds a matrix that was not attached, or none at all.
    pub fn finish(self) -> Result<(), AdapterError> {
        let tables = ["embed_tokens.weight", "lm_head.weight", "wte.weight"];
        let is_table = |name: &String| tables.iter().any(|table| name.ends_with(table));
        if let Some(name) = self.weights.names().into_iter().find(is_table) {
            let message = format!(
                "the adapter also holds `{name}`, a table of tokens of its own; merge it into its \
                 base model with PEFT (merge_and_unload, save_pretrained) and name the result"
            );
            return Err(CheckpointError::file(self.weights.path(), message).into());
        }
        reject_unexpected(self.weights.as_ref(), &self.used, |_| false)?;
        if self.used.is_empty() {
            let path = self.weights.path();
            return Err(CheckpointError::file(path, "the adapter holds no LoRA matrices").into());
        }
        Ok(())
    }
}
