//! The directory in which a trained backbone, with or without heads, is taken away:
//!
//! | File | Contents |
//! |---|---|
//! | `xldistill.json` | a [`Description`]: kind, settings, tasks, and references to the LLM and encoder with their revisions; written last |
//! | `projection.safetensors` | `up_projection.weight`, `up_projection.bias` and, with a layer mix, `layer_mix` (stacks) |
//! | `language_shifts.safetensors` | for each language that is centred, what is added to the encoder's states [layers, width] |
//! | `adapter/` | a PEFT adapter of the LLM or, if there is none, of the encoder |
//! | `llm/` or `encoder/` | the whole LLM or encoder, if more than adapters was trained |
//! | `heads.safetensors` | `{task}.weight` for each task |
//! | `README.md` | a model card |
//!
//! The LLM and encoder themselves stay where they are; a different revision of either is refused.
//! Those in the folder that the directory is in are referred to from there, so that the folder can be
//! moved; others by absolute paths.

mod card;
mod description;
mod error;
mod load;
mod save;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;

pub use card::CardFacts;
pub use description::{
    BackboneKind, Description, EncoderReference, ModelReference, TaskDescription,
};
pub use error::ModelDirectoryError;
pub use save::SaveOptions;

use crate::adapter_directory::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
use crate::backbone::{Backbone, BackboneNetwork};
use crate::classifier::Classifier;
use crate::export::{StoredFormat, save_huggingface};
use crate::huggingface::read_json;
use crate::layers::{Parts, WeightForm};

/// Name of the file that describes a model directory.
pub const DESCRIPTION_FILE: &str = "xldistill.json";
/// The projection of a stack.
const PROJECTION: &str = "projection.safetensors";
/// What is added to the encoder's states, by language.
const SHIFTS: &str = "language_shifts.safetensors";
/// The weights of the heads.
const HEADS: &str = "heads.safetensors";
/// The folder of the adapter.
const ADAPTER: &str = "adapter";
/// The folder of an LLM that was trained as a whole.
const LLM: &str = "llm";
/// The folder of an encoder that was trained as a whole.
const ENCODER: &str = "encoder";

/// A model directory on disk.
#[derive(Debug, Clone)]
pub struct ModelDirectory {
    path: PathBuf,
    description: Description,
}

impl ModelDirectory {
    /// Whether `path` is a finished model directory.
    pub fn is_at(path: &Path) -> bool {
        path.join(DESCRIPTION_FILE).is_file()
    }

    /// Reads the description of the directory at `path`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ModelDirectoryError> {
        let path = path.into();
        let description = Description::read(&path.join(DESCRIPTION_FILE))?;
        Ok(Self { path, description })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// A hash of everything that determines its outputs: its tensors, its settings and the revisions
    /// of LLM and encoder, but no path.
    pub fn revision(&self) -> Result<String, ModelDirectoryError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.description.without_paths().as_bytes());
        let adapter = self.path.join(ADAPTER);
        if self.description.adapter {
            let path = adapter.join(ADAPTER_CONFIG);
            let mut config = read_json(&path)?.unwrap_or_default();
            config["base_model_name_or_path"] = Value::Null;
            hasher.update(config.to_string().as_bytes());
        }
        let files = [
            self.path.join(PROJECTION),
            self.path.join(SHIFTS),
            self.path.join(HEADS),
            adapter.join(ADAPTER_WEIGHTS),
        ];
        for file in files.iter().filter(|file| file.is_file()) {
            let read = hasher.update_mmap_rayon(file);
            read.map_err(|error| ModelDirectoryError::file(file, error))?;
        }
        Ok(hasher.finalize().to_hex()[..16].to_owned())
    }

    /// Loads the backbone. In [`WeightForm::Parameters`] its adapters stay adapters and can be
    /// trained further; in other forms they are merged.
    pub fn backbone(
        &self,
        device: &Device,
        form: WeightForm,
    ) -> Result<(Backbone, BackboneNetwork), ModelDirectoryError> {
        load::backbone(self, device, form)
    }

    /// Loads the backbone and its heads.
    pub fn classifier(
        &self,
        device: &Device,
        form: WeightForm,
    ) -> Result<Classifier, ModelDirectoryError> {
        if self.description.tasks.is_empty() {
            return Err(ModelDirectoryError::NoTasks(self.path.clone()));
        }
        let heads = load::heads(self, device)?;
        let (backbone, network) = self.backbone(device, form)?;
        Ok(Classifier {
            backbone,
            network,
            heads,
        })
    }

    /// Writes the LLM with its adapters merged as a Hugging Face directory, for servers that know
    /// nothing of adapters.
    pub fn merge_llm(
        &self,
        output: &Path,
        format: StoredFormat,
    ) -> Result<(), ModelDirectoryError> {
        let device = Device::flex();
        let mut model = load::llm(self, &device, WeightForm::Parameters, Parts::Whole)?;
        let (_, network) = self.backbone(&device, WeightForm::Parameters)?;
        if let Some(decoder) = network.decoder() {
            model.network = decoder.clone().with_output_of(model.network);
        }
        Ok(save_huggingface(&model, output, format)?)
    }
}

impl Classifier {
    /// Writes the classifier to `directory`; see [`crate::model_directory`].
    pub fn save(&self, directory: &Path, options: &SaveOptions) -> Result<(), ModelDirectoryError> {
        save::save(
            &self.backbone,
            &self.network,
            &self.heads,
            directory,
            options,
        )
    }

    /// Loads the classifier that [`Classifier::save`] wrote.
    pub fn load(
        directory: &Path,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, ModelDirectoryError> {
        ModelDirectory::open(directory)?.classifier(device, form)
    }
}

impl Backbone {
    /// Writes the backbone to `directory`, without heads; see [`crate::model_directory`].
    pub fn save(
        &self,
        network: &BackboneNetwork,
        directory: &Path,
        options: &SaveOptions,
    ) -> Result<(), ModelDirectoryError> {
        save::save(self, network, &Default::default(), directory, options)
    }

    /// Loads the backbone that [`Backbone::save`] or [`Classifier::save`] wrote.
    pub fn load(
        directory: &Path,
        device: &Device,
        form: WeightForm,
    ) -> Result<(Self, BackboneNetwork), ModelDirectoryError> {
        ModelDirectory::open(directory)?.backbone(device, form)
    }
}
