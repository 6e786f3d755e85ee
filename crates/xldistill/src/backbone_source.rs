//! The model that heads are put on, and their training.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};
use artefacts::training::ClassifierSummary;
use burn::tensor::Device;
use corpus::progress::Progress;
use models::encoders::EncoderModel;
use models::huggingface::open_weights;
use models::model_directory::CardFacts;
use models::{Backbone, BackboneSettings, LanguageModel, ModelDirectory, WeightForm};
use training::classification::{self, ClassificationConfig};
use training::{Start, Task};

/// A model without heads.
#[derive(Debug, Clone, PartialEq)]
pub enum BackboneSource {
    /// An LLM: GGUF file, Hugging Face directory or PEFT adapter.
    Llm(PathBuf),
    /// The Hugging Face directory of an encoder, and what it expects before each text.
    Encoder {
        /// The directory.
        path: PathBuf,
        /// The prefix.
        prefix: String,
    },
    /// A model directory of xldistill's, such as that of stage 1.
    Directory(PathBuf),
}

impl BackboneSource {
    /// What `path` is; `prefix` is for encoders.
    ///
    /// # Errors
    /// A prefix for a model that has no use for it.
    pub fn of(path: &Path, prefix: &str) -> Result<Self> {
        let source = if ModelDirectory::is_at(path) {
            Self::Directory(path.to_owned())
        } else if EncoderModel::shape_of(path).is_ok() {
            Self::Encoder {
                path: path.to_owned(),
                prefix: prefix.to_owned(),
            }
        } else {
            Self::Llm(path.to_owned())
        };
        match source {
            Self::Encoder { .. } => Ok(source),
            _ if prefix.is_empty() => Ok(source),
            _ => bail!(
                "prefix: only encoders have a prefix, and {} is none; remove the key",
                path.display()
            ),
        }
    }

    /// Hash of its files.
    pub fn revision(&self) -> Result<String> {
        Ok(match self {
            Self::Llm(path) => LanguageModel::identity_of(path)?.revision,
            Self::Encoder { path, .. } => EncoderModel::identity_of(path)?.revision,
            Self::Directory(path) => ModelDirectory::open(path)?.revision()?,
        })
    }

    /// Its size in a few words; reads no weights.
    pub fn describe(&self) -> Result<String> {
        Ok(match self {
            Self::Llm(path) => {
                let shape = LanguageModel::shape_of(path)?;
                format!(
                    "LLM, {} layers of width {}",
                    shape.num_hidden_layers, shape.hidden_size
                )
            }
            Self::Encoder { path, .. } => {
                let shape = EncoderModel::shape_of(path)?;
                format!(
                    "encoder, {} layers of width {}",
                    shape.layers, shape.hidden_size
                )
            }
            Self::Directory(path) => {
                ModelDirectory::open(path)?;
                "trained by xldistill".to_owned()
            }
        })
    }

    /// Whether nothing is at its path, and no stage before makes it.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Llm(path) | Self::Encoder { path, .. } => !path.exists(),
            Self::Directory(_) => false,
        }
    }

    /// Its width, and the names of its tensors, as far as they are known without its weights.
    pub fn layout(&self) -> Result<(Option<usize>, Option<Vec<String>>)> {
        Ok(match self {
            Self::Llm(path) => (
                Some(LanguageModel::shape_of(path)?.hidden_size),
                LanguageModel::tensor_names_of(path)?,
            ),
            Self::Encoder { path, .. } => (
                Some(EncoderModel::shape_of(path)?.hidden_size),
                Some(open_weights(path)?.names()),
            ),
            // Made by a stage before, or its adapters are there already.
            Self::Directory(_) => (None, None),
        })
    }

    /// Loads it; a model directory reads texts as it did in training, others as `settings` say.
    pub fn load(
        &self,
        settings: BackboneSettings,
        device: &Device,
        form: WeightForm,
    ) -> Result<Start> {
        Ok(match self {
            Self::Llm(path) => {
                let model = LanguageModel::load_states(path, device, form)?;
                Start::fresh(Backbone::of_llm(model, settings))
            }
            Self::Encoder { path, prefix } => {
                let model = encoder(path, prefix, device, form)?;
                Start::fresh(Backbone::of_encoder(model, settings))
            }
            Self::Directory(path) => {
                let directory = ModelDirectory::open(path)?;
                let revision = Some(directory.revision()?);
                let (backbone, network) = directory.backbone(device, form)?;
                Start {
                    backbone,
                    network,
                    revision,
                }
            }
        })
    }
}

/// The encoder at `path`, which expects `prefix` before each text.
pub fn encoder(
    path: &Path,
    prefix: &str,
    device: &Device,
    form: WeightForm,
) -> Result<EncoderModel> {
    let model = EncoderModel::load_as(path, device, form)?;
    Ok(EncoderModel {
        tokenizer: model.tokenizer.with_prefix(prefix),
        ..model
    })
}

/// What training a classifier needs besides its model.
pub struct HeadTraining<'a> {
    /// How texts are read.
    pub reading: BackboneSettings,
    /// How heads are trained.
    pub config: &'a ClassificationConfig,
    /// The device.
    pub device: models::ComputeDevice,
    /// What the model card says of the data.
    pub card: CardFacts,
    /// Progress of the work.
    pub progress: &'a dyn Progress,
}

impl HeadTraining<'_> {
    /// Trains heads for `tasks` on `source`: checkpoints in `folder`, the classifier in `output`.
    pub fn run(
        &self,
        source: &BackboneSource,
        tasks: &[Task<'_>],
        folder: &Path,
        output: &Path,
    ) -> Result<ClassifierSummary> {
        let device = self.device.open()?.autodiff();
        let form = self.config.training.weight_form();
        let start = source.load(self.reading, &device, form)?;
        let summary = classification::classification(
            start,
            tasks,
            self.config,
            folder,
            output,
            self.card.clone(),
            self.progress,
        );
        summary.map_err(Error::from)
    }
}

/// The validation accuracy before and after training, for a summary.
pub fn validated(summary: &ClassifierSummary) -> String {
    let accuracy = |of: &Option<artefacts::training::HeldOutLoss>| {
        of.as_ref()
            .and_then(|held_out| held_out.losses.get("accuracy").copied())
    };
    let training = &summary.training;
    match (accuracy(&training.before), accuracy(&training.after)) {
        (Some(before), Some(after)) => format!(
            "{} steps, validation accuracy {:.1} → {:.1} %",
            training.steps,
            100.0 * before,
            100.0 * after
        ),
        _ => format!("{} steps, no validation rows", training.steps),
    }
}
