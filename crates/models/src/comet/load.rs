//! A metric from its files.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kernels::Precision;

use super::feed_forward::{FeedForward, Squash};
use super::files::{CONFIG, CometFiles, TOKENIZER};
use super::hparams::{Hparams, LayerChoice};
use super::input::Encoder;
use super::layerwise_attention::LayerwiseAttention;
use super::{CometError, CometModel, MetricClass, Transformation};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoders::bert::{self, Bert, BertConfig};
use crate::huggingface::SafetensorsCheckpoint;
use crate::identity::{self, ModelIdentity};
use crate::layers::WeightForm;
use crate::pytorch::{self, PytorchCheckpoint};
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// How a metric is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CometOptions {
    /// Folder with the encoder's `tokenizer.json` and `config.json`, where they do not lie beside
    /// the checkpoint.
    pub encoder: Option<PathBuf>,
    /// Format of the encoder's weights; F32 is exact.
    pub weights: Precision,
}

/// Key of the weights in a checkpoint of PyTorch Lightning.
const STATE_DICT: &str = "state_dict";
/// Key of the hyper-parameters there.
const HYPER_PARAMETERS: &str = "hyper_parameters";

/// A metric without its weights.
#[derive(Debug)]
pub struct CometDescription {
    /// Its identity.
    pub identity: ModelIdentity,
    hparams: Hparams,
    files: CometFiles,
    tokenizer: PathBuf,
}

impl CometDescription {
    /// The kind of the metric.
    pub fn class(&self) -> MetricClass {
        self.hparams.class
    }

    /// How it weighs the encoder's layers; published scores depend on it.
    pub fn transformation(&self) -> Transformation {
        self.hparams.transformation
    }

    /// Whether it can only compare with a reference.
    pub fn needs_reference(&self) -> bool {
        self.hparams.needs_reference()
    }

    /// Whether it reads a reference, if there is one.
    pub fn reads_reference(&self) -> bool {
        self.hparams.reads_reference()
    }
}

impl CometModel {
    /// The metric at `path` (see [`CometModel::load`]), without loading its weights.
    pub fn describe(
        path: impl AsRef<Path>,
        options: &CometOptions,
    ) -> Result<CometDescription, CometError> {
        let files = CometFiles::find(path.as_ref())?;
        let stored = match is_safetensors(&files.checkpoint) {
            true => None,
            false => pytorch::plain_data(&files.checkpoint, HYPER_PARAMETERS)?,
        };
        let hparams = Hparams::read(&files.hparams, stored)?;
        let (encoder, pretrained) = (options.encoder.as_deref(), &hparams.pretrained_model);
        let tokenizer = files.of_encoder(TOKENIZER, encoder, pretrained);
        let tokenizer = tokenizer.ok_or_else(|| CometError::NotAModel {
            path: files.root.clone(),
            message: no_tokenizer(pretrained, encoder),
        })?;
        let hashed: Vec<PathBuf> = [&files.checkpoint, &files.hparams, &tokenizer]
            .into_iter()
            .filter(|file| file.is_file())
            .cloned()
            .collect();
        let identity = ModelIdentity {
            path: path.as_ref().to_path_buf(),
            revision: identity::content_hash(&hashed)?,
            licence: identity::licence_of_card(&files.root),
        };
        Ok(CometDescription {
            identity,
            hparams,
            files,
            tokenizer,
        })
    }

    /// Loads the metric at `path`: a folder with `hparams.yaml` and `checkpoints/model.ckpt` as
    /// published, or the checkpoint itself (`.ckpt` or `.safetensors`).
    pub fn load(
        path: impl AsRef<Path>,
        options: &CometOptions,
        device: &Device,
    ) -> Result<Self, CometError> {
        let CometDescription {
            identity,
            files,
            hparams,
            tokenizer: tokenizer_path,
        } = Self::describe(path, options)?;
        let is_safetensors = is_safetensors(&files.checkpoint);
        let paths = std::slice::from_ref(&files.checkpoint);
        let checkpoint: Box<dyn Checkpoint> = match is_safetensors {
            true => Box::new(SafetensorsCheckpoint::open_files(&files.checkpoint, paths)?),
            false => Box::new(PytorchCheckpoint::open(
                &files.checkpoint,
                paths,
                Some(STATE_DICT),
            )?),
        };
        let checkpoint = checkpoint.as_ref();

        let prefix = bert::prefix(checkpoint).ok_or_else(|| CheckpointError::Missing {
            path: files.checkpoint.clone(),
            name: "encoder.model.embeddings.word_embeddings.weight".into(),
        })?;
        let of_encoder =
            |name| files.of_encoder(name, options.encoder.as_deref(), &hparams.pretrained_model);
        let config = match of_encoder(CONFIG) {
            Some(path) => read_config(path)?,
            None => BertConfig::of_tensors(checkpoint, prefix)?,
        };
        let tokenizer = Tokenizer::from_file(&tokenizer_path, SpecialTokens::default())?;
        tokenizer.check_vocabulary(config.vocab_size)?;

        let mixture = match hparams.layer {
            LayerChoice::Mix => LayerwiseAttention::load(
                checkpoint,
                config.num_hidden_layers + 1,
                hparams.transformation,
                hparams.layer_norm,
            )?,
            LayerChoice::Single(layer) if layer <= config.num_hidden_layers => {
                LayerwiseAttention::single(layer)
            }
            LayerChoice::Single(layer) => {
                return Err(CometError::Hparams {
                    path: files.hparams,
                    message: format!(
                        "layer {layer} of an encoder of {} layers",
                        config.num_hidden_layers
                    ),
                });
            }
        };
        let squash = |name: &str| {
            Squash::named(name).ok_or_else(|| CometError::Hparams {
                path: files.hparams.clone(),
                message: format!(
                    "activation {name:?} is not built; known are \"Tanh\", \"Sigmoid\" and \
                     \"Identity\""
                ),
            })
        };
        let vectors = match hparams.class {
            MetricClass::Unified => 1,
            MetricClass::Regression => 6,
            MetricClass::Referenceless => 4,
        };
        let estimator = FeedForward::load(
            checkpoint,
            vectors * config.hidden_size,
            &hparams.hidden_sizes,
            squash(&hparams.activation)?,
            hparams
                .final_activation
                .as_deref()
                .map(squash)
                .transpose()?,
            device,
        )?;
        let form = WeightForm::Packed(options.weights);
        let encoder = Bert::load(&config, checkpoint, device, form)?;
        Ok(Self {
            input: Encoder::new(tokenizer)?,
            encoder,
            mixture,
            estimator,
            width: config.hidden_size,
            device: device.clone(),
            identity,
            hparams,
        })
    }
}

fn is_safetensors(checkpoint: &Path) -> bool {
    let extension = checkpoint.extension();
    extension.is_some_and(|extension| extension == "safetensors")
}

fn read_config(path: PathBuf) -> Result<BertConfig, CometError> {
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    BertConfig::from_json(&text).map_err(|source| CometError::Config { path, source })
}

fn no_tokenizer(pretrained_model: &str, named: Option<&Path>) -> String {
    // A path on the machine of whoever trained the metric says nothing here.
    let is_path = pretrained_model.starts_with(['.', '/', '~']);
    let encoder = match pretrained_model {
        "" => "its encoder",
        _ if is_path => "its encoder",
        name => name,
    };
    match named {
        Some(folder) => format!(
            "the tokenizer of {encoder} is not in {}: there is no {TOKENIZER}",
            folder.display()
        ),
        None => format!(
            "the tokenizer of {encoder} is missing; put the {TOKENIZER} of xlm-roberta-large (or \
             -base, the vocabulary is the same) beside hparams.yaml, or name its folder as `encoder`"
        ),
    }
}
