//! A model as a user names it: a path, and everything that belongs to the model at that path.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kernels::WeightFormat;
use serde_json::Value;

use crate::adapter_directory::{self, ADAPTER_CONFIG, AdapterError};
use crate::chat_template::{ChatTemplate, ChatTemplateError, Message};
use crate::checkpoint::CheckpointError;
use crate::gguf::{Gguf, GgufError, LlamaCheckpoint, LlamaGgufError};
use crate::huggingface;
use crate::identity::{self, ModelIdentity};
use crate::linear::{Linear, WeightForm};
use crate::llama::{ConfigError, Llama, LlamaConfig, MapLayer};
use crate::m2m100::TranslationTokenizerError;
use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing at the path is a model.
    #[error("{path}: {message}")]
    NotAModel {
        /// What the user named.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
    /// The configuration.
    #[error("{path}: {source}")]
    Config {
        /// The file it is in.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// A GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Weights and other files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The tokenizer of a translation model.
    #[error(transparent)]
    TranslationTokenizer(#[from] TranslationTokenizerError),
    /// The chat template.
    #[error("{path}: {source}")]
    ChatTemplate {
        /// The model.
        path: PathBuf,
        /// What is wrong.
        source: ChatTemplateError,
    },
    /// A PEFT adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// A language model with its tokenizer and conventions.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    /// Shape of the network.
    pub config: LlamaConfig,
    /// The network.
    pub llama: Llama,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// How conversations are written; base models have none.
    pub chat_template: Option<ChatTemplate>,
    /// Tokens that end a generation: those of the configuration and the template's end of turn.
    pub stop_tokens: Vec<u32>,
    /// What it is and where it came from.
    pub identity: ModelIdentity,
    /// `tokenizer_config.json` as found, written out again on export.
    pub(crate) tokenizer_config: Option<Value>,
}

impl LanguageModel {
    /// Loads what is at `path`: a GGUF file, a directory with one, a Hugging Face model directory,
    /// or a PEFT adapter directory whose base model is on disk.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::load_as(path, device, WeightForm::Parameters)
    }

    /// [`LanguageModel::load`] with the blocks' weights in `form`, in which each is put as soon as
    /// it is read; adapters are merged for all but [`WeightForm::Parameters`].
    pub fn load_as(
        path: impl AsRef<Path>,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, LoadError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        let mut model = Self::load_mapped(path.as_ref(), device, hold)?;
        model.llama = model.llama.with_output_in(form);
        Ok(model)
    }

    /// [`LanguageModel::load`] with each linear layer replaced as soon as it is read.
    pub(crate) fn load_mapped(
        path: &Path,
        device: &Device,
        map: &mut MapLayer<'_>,
    ) -> Result<Self, LoadError> {
        match Place::of(path)? {
            Place::Gguf(file) => Self::load_gguf(&file, device, map),
            Place::Directory(directory) => Self::load_directory(directory, device, map),
            Place::Adapter(directory) => Ok(adapter_directory::load(directory, device, map)?),
        }
    }

    /// What is at `path`, without loading it.
    pub fn identity_of(path: impl AsRef<Path>) -> Result<ModelIdentity, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => gguf_identity(&file, &Gguf::open(&file)?),
            Place::Directory(directory) => directory_identity(directory),
            Place::Adapter(directory) => Ok(adapter_directory::identity(directory)?),
        }
    }

    /// The shape of the model at `path`, without its weights; of an adapter, its base model's.
    pub fn shape_of(path: impl AsRef<Path>) -> Result<LlamaConfig, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => gguf_shape(&file, &Gguf::open(&file)?),
            Place::Directory(directory) => directory_shape(directory),
            Place::Adapter(directory) => Ok(adapter_directory::shape(directory)?),
        }
    }

    fn load_gguf(path: &Path, device: &Device, map: &mut MapLayer<'_>) -> Result<Self, LoadError> {
        let file = Gguf::open(path)?;
        let config = gguf_shape(path, &file)?;
        let tokenizer = Tokenizer::from_gguf(&file)?;
        tokenizer.check_vocabulary(config.vocab_size)?;
        let checkpoint = LlamaCheckpoint::new(&file, &config);
        let llama = Llama::load_mapped(&config, &checkpoint, device, map)?;
        let template = file.text("tokenizer.chat_template")?.map(str::to_owned);
        let identity = gguf_identity(path, &file)?;
        Self::assemble(config, llama, tokenizer, template, identity, None)
    }

    fn load_directory(
        path: &Path,
        device: &Device,
        map: &mut MapLayer<'_>,
    ) -> Result<Self, LoadError> {
        let mut config = directory_shape(path)?;
        if let Some(ids) = huggingface::generation_eos(path)? {
            config.eos_token_ids = ids;
        }
        let tokenizer_config = huggingface::read_json(&path.join("tokenizer_config.json"))?;
        let special_map = huggingface::read_json(&path.join("special_tokens_map.json"))?;
        let special = [&tokenizer_config, &special_map]
            .into_iter()
            .flatten()
            .map(SpecialTokens::from_json)
            .reduce(SpecialTokens::or)
            .unwrap_or_default();
        let tokenizer = Tokenizer::from_file(&path.join("tokenizer.json"), special)?;
        tokenizer.check_vocabulary(config.vocab_size)?;
        let template = huggingface::chat_template(path, tokenizer_config.as_ref())?;
        let checkpoint = huggingface::open_weights(path)?;
        let llama = Llama::load_mapped(&config, checkpoint.as_ref(), device, map)?;
        let identity = directory_identity(path)?;
        Self::assemble(
            config,
            llama,
            tokenizer,
            template,
            identity,
            tokenizer_config,
        )
    }

    fn assemble(
        config: LlamaConfig,
        llama: Llama,
        tokenizer: Tokenizer,
        template: Option<String>,
        identity: ModelIdentity,
        tokenizer_config: Option<Value>,
    ) -> Result<Self, LoadError> {
        let template_error = |source| LoadError::ChatTemplate {
            path: identity.path.clone(),
            source,
        };
        let chat_template = template
            .map(|source| ChatTemplate::new(&source, tokenizer.special()))
            .transpose()
            .map_err(template_error)?;
        let mut stop_tokens = config.eos_token_ids.clone();
        stop_tokens.extend(tokenizer.eos_id());
        if let Some(template) = &chat_template {
            let frame = template
                .answer_frame(&tokenizer, &[Message::user("?")])
                .map_err(template_error)?;
            stop_tokens.extend(frame.end_token);
        }
        stop_tokens.sort_unstable();
        stop_tokens.dedup();
        Ok(Self {
            config,
            llama,
            tokenizer,
            chat_template,
            stop_tokens,
            identity,
            tokenizer_config,
        })
    }

    /// The model for inference: adapters merged, weights in the form that is read fastest.
    pub fn packed(&self, format: WeightFormat) -> Self {
        Self {
            llama: self.llama.packed(format),
            ..self.clone()
        }
    }
}

/// What a path that names a model leads to.
enum Place<'p> {
    Gguf(PathBuf),
    Directory(&'p Path),
    Adapter(&'p Path),
}

impl<'p> Place<'p> {
    fn of(path: &'p Path) -> Result<Self, LoadError> {
        let not_a_model = |message: &str| LoadError::NotAModel {
            path: path.into(),
            message: message.into(),
        };
        if path.is_file() {
            return match path
                .extension()
                .is_some_and(|extension| extension == "gguf")
            {
                true => Ok(Self::Gguf(path.into())),
                false => Err(not_a_model(
                    "is not a GGUF file; name a .gguf file or a directory",
                )),
            };
        }
        if !path.is_dir() {
            return Err(not_a_model("does not exist"));
        }
        if path.join(ADAPTER_CONFIG).is_file() {
            return Ok(Self::Adapter(path));
        }
        if path.join("config.json").is_file() {
            return Ok(Self::Directory(path));
        }
        match gguf_files(path)?.as_slice() {
            [file] => Ok(Self::Gguf(file.clone())),
            [] => Err(not_a_model(
                "holds no model: there is no config.json, adapter_config.json or .gguf file",
            )),
            [first, second, ..] => Err(not_a_model(&format!(
                "holds several GGUF files ({}, {} …); name one of them",
                first.display(),
                second.display()
            ))),
        }
    }
}

fn gguf_shape(path: &Path, file: &Gguf) -> Result<LlamaConfig, LoadError> {
    file.llama_config().map_err(|error| match error {
        LlamaGgufError::Gguf(error) => LoadError::Gguf(error),
        LlamaGgufError::Config(source) => LoadError::Config {
            path: path.into(),
            source,
        },
    })
}

fn directory_shape(path: &Path) -> Result<LlamaConfig, LoadError> {
    let path = path.join("config.json");
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    LlamaConfig::from_json(&text).map_err(|source| LoadError::Config { path, source })
}

fn gguf_identity(path: &Path, file: &Gguf) -> Result<ModelIdentity, LoadError> {
    Ok(ModelIdentity {
        path: path.to_path_buf(),
        revision: identity::content_hash(&[path.to_path_buf()])?,
        licence: file.text("general.license")?.map(str::to_owned),
    })
}

fn directory_identity(path: &Path) -> Result<ModelIdentity, LoadError> {
    Ok(ModelIdentity {
        path: path.to_path_buf(),
        revision: identity::content_hash(&identity::model_files(path)?)?,
        licence: identity::licence_of_card(path),
    })
}

fn gguf_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let error = |error| LoadError::Checkpoint(CheckpointError::file(directory, error));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "gguf")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
