//! A model as named by the user: a path, and everything that belongs to the model at that path.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kernels::Precision;
use serde_json::Value;

use crate::adapter_directory::{self, AdapterError};
use crate::chat_template::{ChatTemplate, ChatTemplateError, Message};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config_error::ConfigError;
use crate::decoders::{Config, GgufConfigError, Network, Shape};
use crate::gguf::{Gguf, GgufError};
use crate::huggingface;
use crate::identity::{self, ModelIdentity};
use crate::layers::{Linear, MapLayer, NamedLinears, Parts, WeightForm};
use crate::m2m100::TranslationTokenizerError;
use crate::model_place::Place;
use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};

/// Error returned when a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The path does not contain a model.
    #[error("{path}: {message}")]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// The expected files.
        message: String,
    },
    /// The configuration.
    #[error("{path}: {source}")]
    Config {
        /// The file it is in.
        path: PathBuf,
        /// The problem.
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
        /// The problem.
        source: ChatTemplateError,
    },
    /// A PEFT adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// A language model with its tokenizer and conventions.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    /// Sizes of the network, and the tokens that end a generation.
    pub config: Shape,
    /// The network.
    pub network: Network,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// The chat template; base models have none.
    pub chat_template: Option<ChatTemplate>,
    /// Tokens that end a generation: those of the configuration, and the template's end of turn.
    pub stop_tokens: Vec<u32>,
    /// Identity and origin.
    pub identity: ModelIdentity,
    /// `tokenizer_config.json` as found, written again on export.
    pub(crate) tokenizer_config: Option<Value>,
}

impl LanguageModel {
    /// Loads the model at `path`: a GGUF file, a directory that contains one, a Hugging Face model
    /// directory, or a PEFT adapter directory whose base model is on disk.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, LoadError> {
        Self::load_as(path, device, WeightForm::Parameters)
    }

    /// [`LanguageModel::load`] with the blocks' weights converted to `form` as soon as they are
    /// read; adapters are merged unless it is [`WeightForm::Parameters`].
    pub fn load_as(
        path: impl AsRef<Path>,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, LoadError> {
        Self::load_parts(path.as_ref(), device, form, Parts::Whole)
    }

    /// [`LanguageModel::load_as`] for its hidden states alone. The output layer, as large as the
    /// token table, is not read; what needs it panics ([`Network::logits`]).
    pub fn load_states(
        path: impl AsRef<Path>,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, LoadError> {
        Self::load_parts(path.as_ref(), device, form, Parts::States)
    }

    fn load_parts(
        path: &Path,
        device: &Device,
        form: WeightForm,
        parts: Parts,
    ) -> Result<Self, LoadError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        let mut model = Self::load_mapped(path, device, hold, parts)?;
        model.network = model.network.with_output_in(form);
        Ok(model)
    }

    /// [`LanguageModel::load`] with each linear layer replaced as soon as it is read.
    pub(crate) fn load_mapped(
        path: &Path,
        device: &Device,
        map: &mut MapLayer<'_>,
        parts: Parts,
    ) -> Result<Self, LoadError> {
        match Place::of(path)? {
            Place::Gguf(file) => Self::load_gguf(&file, device, map, parts),
            Place::Directory(directory) => Self::load_directory(directory, device, map, parts),
            Place::Adapter(directory) => {
                Ok(adapter_directory::load(directory, device, map, parts)?)
            }
        }
    }

    /// Identity of the model at `path`, without loading it.
    pub fn identity_of(path: impl AsRef<Path>) -> Result<ModelIdentity, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => gguf_identity(&file, &Gguf::open(&file)?),
            Place::Directory(directory) => directory_identity(directory),
            Place::Adapter(directory) => Ok(adapter_directory::identity(directory)?),
        }
    }

    /// The shape of the model at `path`, without its weights; for an adapter, that of its base
    /// model.
    pub fn shape_of(path: impl AsRef<Path>) -> Result<Shape, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => Ok(gguf_config(&file, &Gguf::open(&file)?)?.shape().clone()),
            Place::Directory(directory) => Ok(directory_config(directory)?.shape().clone()),
            Place::Adapter(directory) => Ok(adapter_directory::shape(directory)?),
        }
    }

    /// The chat template that the model at `path` brings, without its weights; for an adapter, the one
    /// beside it or that of its base model.
    pub fn template_of(path: impl AsRef<Path>) -> Result<Option<String>, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => gguf_template(&Gguf::open(&file)?),
            Place::Directory(directory) => Ok(huggingface::own_template(directory)?),
            Place::Adapter(directory) => Ok(adapter_directory::template(directory)?),
        }
    }

    /// The tokenizer of the model at `path`, without its weights; for an adapter, that of its base
    /// model.
    pub fn tokenizer_of(path: impl AsRef<Path>) -> Result<Tokenizer, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => {
                let gguf = Gguf::open(&file)?;
                gguf_tokenizer(&gguf, gguf_config(&file, &gguf)?.shape())
            }
            Place::Directory(directory) => {
                let config = huggingface::read_json(&directory.join("tokenizer_config.json"))?;
                let shape = directory_config(directory)?;
                directory_tokenizer(directory, config.as_ref(), shape.shape())
            }
            Place::Adapter(directory) => Ok(adapter_directory::tokenizer(directory)?),
        }
    }

    /// Names of the tensors of the model at `path`, in Hugging Face's naming, of which only the
    /// headers are read; for an adapter, those of its base model are not known here: `None`.
    pub fn tensor_names_of(path: impl AsRef<Path>) -> Result<Option<Vec<String>>, LoadError> {
        match Place::of(path.as_ref())? {
            Place::Gguf(file) => {
                let gguf = Gguf::open(&file)?;
                let config = gguf_config(&file, &gguf)?;
                Ok(Some(config.gguf_checkpoint(&gguf).names()))
            }
            Place::Directory(directory) => Ok(Some(huggingface::open_weights(directory)?.names())),
            Place::Adapter(_) => Ok(None),
        }
    }

    fn load_gguf(
        path: &Path,
        device: &Device,
        map: &mut MapLayer<'_>,
        parts: Parts,
    ) -> Result<Self, LoadError> {
        let file = Gguf::open(path)?;
        let config = gguf_config(path, &file)?;
        let tokenizer = gguf_tokenizer(&file, config.shape())?;
        let checkpoint = config.gguf_checkpoint(&file);
        let network = Network::load_mapped(&config, &checkpoint, device, map, parts)?;
        let template = gguf_template(&file)?;
        let identity = gguf_identity(path, &file)?;
        let shape = config.shape().clone();
        Self::assemble(shape, network, tokenizer, template, identity, None)
    }

    fn load_directory(
        path: &Path,
        device: &Device,
        map: &mut MapLayer<'_>,
        parts: Parts,
    ) -> Result<Self, LoadError> {
        let config = directory_config(path)?;
        let mut shape = config.shape().clone();
        if let Some(ids) = huggingface::generation_eos(path)? {
            shape.eos_token_ids = ids;
        }
        let tokenizer_config = huggingface::read_json(&path.join("tokenizer_config.json"))?;
        let tokenizer = directory_tokenizer(path, tokenizer_config.as_ref(), &shape)?;
        let template = huggingface::chat_template(path, tokenizer_config.as_ref())?;
        let checkpoint = huggingface::open_weights(path)?;
        let network = Network::load_mapped(&config, checkpoint.as_ref(), device, map, parts)?;
        let identity = directory_identity(path)?;
        Self::assemble(
            shape,
            network,
            tokenizer,
            template,
            identity,
            tokenizer_config,
        )
    }

    fn assemble(
        config: Shape,
        network: Network,
        tokenizer: Tokenizer,
        template: Option<String>,
        identity: ModelIdentity,
        tokenizer_config: Option<Value>,
    ) -> Result<Self, LoadError> {
        let mut stop_tokens = config.eos_token_ids.clone();
        stop_tokens.extend(tokenizer.eos_id());
        let model = Self {
            config,
            network,
            tokenizer,
            chat_template: None,
            stop_tokens,
            identity,
            tokenizer_config,
        };
        match template {
            Some(source) => model.bringing(&source),
            None => Ok(model.with_stop_tokens(None)),
        }
    }

    /// The model with the chat template that it brings, in place of any other.
    ///
    /// # Errors
    /// The template exceeds its limits.
    pub(crate) fn bringing(mut self, source: &str) -> Result<Self, LoadError> {
        // Only those who use the template mind whether it can be used; but one that exceeds a limit
        // may still be running.
        let template = ChatTemplate::unchecked(source, self.tokenizer.special());
        if let Err(source @ ChatTemplateError::Excessive(_)) = template.check() {
            let path = self.identity.path;
            return Err(LoadError::ChatTemplate { path, source });
        }
        let frame = template.answer_frame(&self.tokenizer, &[Message::user("?")]);
        self.chat_template = Some(template);
        Ok(self.with_stop_tokens(frame.ok().and_then(|frame| frame.end_token)))
    }

    /// The model whose generations `more` ends, too.
    fn with_stop_tokens(mut self, more: Option<u32>) -> Self {
        self.stop_tokens.extend(more);
        self.stop_tokens.sort_unstable();
        self.stop_tokens.dedup();
        self
    }

    /// The model with the chat template `source`, if it brings none; it then ends its turns as the
    /// template does. Its identity is [`ModelIdentity::with_template`] in any case.
    ///
    /// # Errors
    /// The template cannot be compiled, or shows no answer.
    pub fn with_template(mut self, source: &str) -> Result<Self, LoadError> {
        self.identity = self.identity.with_template(source);
        if self.chat_template.is_some() {
            return Ok(self);
        }
        let error = |source| LoadError::ChatTemplate {
            path: self.identity.path.clone(),
            source,
        };
        let template = ChatTemplate::new(source, self.tokenizer.special()).map_err(error)?;
        let frame = template.answer_frame(&self.tokenizer, &[Message::user("?")]);
        let end = frame.map_err(error)?.end_token;
        self.chat_template = Some(template);
        Ok(self.with_stop_tokens(end))
    }

    /// The model for inference: adapters merged, weights in the fastest form.
    pub fn packed(&self, format: Precision) -> Self {
        Self {
            network: self.network.packed(format),
            ..self.clone()
        }
    }
}

fn gguf_tokenizer(file: &Gguf, shape: &Shape) -> Result<Tokenizer, LoadError> {
    Ok(Tokenizer::from_gguf(file)?.fitting(shape.vocab_size)?)
}

/// The tokenizer in the directory at `path`, whose `tokenizer_config.json` is `config`.
fn directory_tokenizer(
    path: &Path,
    config: Option<&Value>,
    shape: &Shape,
) -> Result<Tokenizer, LoadError> {
    let special_map = huggingface::read_json(&path.join("special_tokens_map.json"))?;
    let special = [config, special_map.as_ref()]
        .into_iter()
        .flatten()
        .map(SpecialTokens::from_json)
        .reduce(SpecialTokens::or)
        .unwrap_or_default();
    let file = path.join("tokenizer.json");
    if !file.exists() {
        return Err(LoadError::NotAModel {
            path: path.into(),
            message: huggingface::without_tokenizer_json(path),
        });
    }
    Ok(Tokenizer::from_file(&file, special)?.fitting(shape.vocab_size)?)
}

fn gguf_template(file: &Gguf) -> Result<Option<String>, LoadError> {
    Ok(file.text("tokenizer.chat_template")?.map(str::to_owned))
}

fn gguf_config(path: &Path, file: &Gguf) -> Result<Config, LoadError> {
    Config::from_gguf(file).map_err(|error| match error {
        GgufConfigError::Gguf(error) => LoadError::Gguf(error),
        GgufConfigError::Config(source) => LoadError::Config {
            path: path.into(),
            source,
        },
    })
}

fn directory_config(path: &Path) -> Result<Config, LoadError> {
    let path = path.join("config.json");
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    Config::from_json(&text).map_err(|source| LoadError::Config { path, source })
}

fn gguf_identity(path: &Path, file: &Gguf) -> Result<ModelIdentity, LoadError> {
    let hash = identity::content_hash(&[path.to_path_buf()])?;
    Ok(ModelIdentity {
        path: path.to_path_buf(),
        revision: match Tokenizer::ids_version(file)? {
            1 => hash,
            version => format!("{hash}+ids-{version}"),
        },
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
