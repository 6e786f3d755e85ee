//! A translation model as named by the user: a Hugging Face directory of NLLB-200.

use std::path::Path;

use burn::tensor::Device;
use kernels::Precision;

use crate::beam_search::{BeamOptions, Hypothesis, beam_search};
use crate::checkpoint::CheckpointError;
use crate::huggingface::open_weights;
use crate::identity::{self, ModelIdentity};
use crate::language_model::LoadError;
use crate::m2m100::{M2m100, M2m100Config, TranslationTokenizer};

/// A network packed for inference, with its tokenizer and origin.
#[derive(Debug)]
pub struct TranslationModel {
    /// Shape of the network.
    pub config: M2m100Config,
    /// The network.
    pub network: M2m100,
    /// Text to ids and back.
    pub tokenizer: TranslationTokenizer,
    /// Identity and origin.
    pub identity: ModelIdentity,
}

impl TranslationModel {
    /// Loads the model in `directory` with weights in `format`.
    pub fn load(directory: &Path, format: Precision, device: &Device) -> Result<Self, LoadError> {
        require_directory(directory)?;
        let path = directory.join("config.json");
        let text =
            std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
        let config =
            M2m100Config::from_json(&text).map_err(|source| LoadError::Config { path, source })?;
        let tokenizer = TranslationTokenizer::load(directory, config.eos_token_id)?;
        tokenizer.check_vocabulary(config.vocab_size)?;
        let checkpoint = open_weights(directory)?;
        let network = M2m100::load_packed(&config, checkpoint.as_ref(), format, device)?;
        let identity = Self::identity_of(directory)?;
        Ok(Self {
            config,
            network,
            tokenizer,
            identity,
        })
    }

    /// The identity of the model in `directory`, without loading it.
    pub fn identity_of(directory: &Path) -> Result<ModelIdentity, LoadError> {
        require_directory(directory)?;
        Ok(ModelIdentity {
            path: directory.to_path_buf(),
            revision: identity::content_hash(&identity::model_files(directory)?)?,
            licence: identity::licence_of_card(directory),
        })
    }

    /// The best hypothesis for each source of ids (see [`beam_search`]).
    pub fn search(
        &self,
        sources: &[Vec<u32>],
        options: &BeamOptions,
        finished: &mut dyn FnMut(usize),
    ) -> Vec<Hypothesis> {
        beam_search(&self.network, &self.config, sources, options, finished)
    }
}

fn require_directory(directory: &Path) -> Result<(), LoadError> {
    match directory.is_dir() {
        true => Ok(()),
        false => Err(LoadError::NotAModel {
            path: directory.into(),
            message: "is not a directory; name the Hugging Face directory of an NLLB-200 model"
                .into(),
        }),
    }
}
