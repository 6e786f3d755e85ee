//! An encoder as named by the user: a Hugging Face directory.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::{EncoderConfig, EncoderNetwork, EncoderShape, EncoderTokenizer};
use crate::checkpoint::CheckpointError;
use crate::huggingface::open_weights;
use crate::identity::{self, ModelIdentity};
use crate::language_model::LoadError;
use crate::layers::WeightForm;

/// An encoder with its tokenizer and origin.
#[derive(Debug, Clone)]
pub struct EncoderModel {
    /// Its configuration.
    pub config: EncoderConfig,
    /// The network.
    pub network: EncoderNetwork,
    /// Text to ids.
    pub tokenizer: EncoderTokenizer,
    /// Identity and origin.
    pub identity: ModelIdentity,
}

impl EncoderModel {
    /// Loads the encoder in a Hugging Face directory with its weights in `form`: BERT, XLM-R and
    /// their kin, or the encoder half of NLLB-200 and M2M-100, whose decoder is not read.
    pub fn load_as(
        path: impl AsRef<Path>,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let config = read_config(path)?;
        let tokenizer = config.tokenizer(path)?;
        let checkpoint = open_weights(path)?;
        let network = EncoderNetwork::load_as(&config, checkpoint.as_ref(), device, form)?;
        Ok(Self {
            config,
            network,
            tokenizer,
            identity: Self::identity_of(path)?,
        })
    }

    /// The identity of the encoder at `path`, without loading it.
    pub fn identity_of(path: impl AsRef<Path>) -> Result<ModelIdentity, LoadError> {
        let path = path.as_ref();
        require_directory(path)?;
        Ok(ModelIdentity {
            path: path.to_path_buf(),
            revision: identity::content_hash(&identity::model_files(path)?)?,
            licence: identity::licence_of_card(path),
        })
    }

    /// The FLORES-200 codes of the languages that the encoder at `path` marks; `None` if it marks
    /// none, for which its tokenizer is not loaded.
    pub fn languages_of(path: impl AsRef<Path>) -> Result<Option<Vec<String>>, LoadError> {
        let path = path.as_ref();
        let config = read_config(path)?;
        if !config.marks_languages() {
            return Ok(None);
        }
        let tokenizer = config.tokenizer(path)?;
        Ok(tokenizer.languages().map(<[String]>::to_vec))
    }

    /// The sizes of the encoder at `path`, without loading its weights.
    pub fn shape_of(path: impl AsRef<Path>) -> Result<EncoderShape, LoadError> {
        Ok(read_config(path.as_ref())?.shape())
    }

    /// Its sizes.
    pub fn shape(&self) -> &EncoderShape {
        self.network.shape()
    }
}

fn require_directory(directory: &Path) -> Result<PathBuf, LoadError> {
    let config = directory.join("config.json");
    match config.is_file() {
        true => Ok(config),
        false => Err(LoadError::NotAModel {
            path: directory.into(),
            message: "contains no config.json; name the Hugging Face directory of an encoder \
                      (BERT, XLM-R, NLLB-200)"
                .into(),
        }),
    }
}

fn read_config(directory: &Path) -> Result<EncoderConfig, LoadError> {
    let path = require_directory(directory)?;
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    EncoderConfig::from_json(&text).map_err(|source| LoadError::Config { path, source })
}
