//! The trained model on disk: exported, and in a checkpoint.
//!
//! Both are a Hugging Face directory or, for LoRA, a PEFT adapter, so a checkpoint can be loaded
//! like any model.

use std::path::{Path, PathBuf};

use models::Network;
use models::export::{
    ExportError, StoredFormat, save_huggingface, save_peft_adapter, save_tokenizer,
};
use models::{LanguageModel, LoadError};

use super::config::Method;
use crate::optimizer::{ParameterFileError, read_tensors, replace_trainable, without_parameters};

/// Error returned when the trained model cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A file could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The adapter was written, but the merged model was not.
    #[error("the adapter was written but cannot be merged with its base model: {0}")]
    Merge(#[from] LoadError),
}

/// File and tensor names of Transformers and PEFT.
const MODEL_WEIGHTS: &str = "model.safetensors";
const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
const ADAPTER_PREFIX: &str = "base_model.model.";
/// Suffixes of an adapter's tensor names, in PEFT and in [`models::Linear`].
const ADAPTER_PARTS: [(&str, &str); 2] = [
    ("lora_A.weight", "lora.lora_a"),
    ("lora_B.weight", "lora.lora_b"),
];

/// A model without its parameters: everything else that belongs to it on disk, and how to write it.
#[derive(Debug)]
pub struct SavedModel {
    model: LanguageModel,
    method: Method,
}

impl SavedModel {
    /// Separates `model`, trained by `method`, from its network, so that the parameters are in
    /// memory only once, in the network being trained.
    pub fn part(mut model: LanguageModel, method: Method) -> (Self, Network) {
        let network = model.network.clone();
        model.network = without_parameters(model.network);
        (Self { model, method }, network)
    }

    /// The path that the model was loaded from.
    pub fn path(&self) -> &Path {
        &self.model.identity.path
    }

    /// Writes the trained parameters into a checkpoint, exactly, in single precision.
    pub fn write_checkpoint(&self, network: &Network, folder: &Path) -> Result<(), ExportError> {
        self.write(&self.with(network), folder, StoredFormat::F32)
    }

    /// `network` with the parameters that [`SavedModel::write_checkpoint`] wrote.
    pub fn read_checkpoint(
        &self,
        network: Network,
        folder: &Path,
    ) -> Result<Network, ParameterFileError> {
        let path = folder.join(match self.method {
            Method::Full => MODEL_WEIGHTS,
            Method::Lora => ADAPTER_WEIGHTS,
        });
        let tensors = read_tensors(&path, &network.device())?;
        let tensors = tensors.into_iter().map(|(name, (shape, values))| {
            if self.method == Method::Lora {
                return (adapter_field(&name), (shape, values));
            }
            match shape[..] {
                [rows, columns] if network.stores_transposed(&name) => {
                    let values = values.reshape([rows, columns]).transpose();
                    let values = values.reshape([rows * columns]);
                    (name, (vec![columns, rows], values))
                }
                _ => (name, (shape, values)),
            }
        });
        let tensors = tensors.collect();
        replace_trainable(network, tensors, &path)
    }

    /// Writes the trained model: a Hugging Face directory at `output`, or an adapter there and,
    /// with `merge`, the merged model in the directory `<output>-merged` next to it. Returns the
    /// directories.
    pub fn export(
        &self,
        network: &Network,
        format: StoredFormat,
        merge: bool,
        output: &Path,
    ) -> Result<Vec<PathBuf>, SaveError> {
        if self.method == Method::Lora {
            save_tokenizer(&self.model, output)?;
        }
        self.write(&self.with(network), output, format)?;
        let mut written = vec![output.to_owned()];
        if self.method == Method::Lora && merge {
            let directory = merged_directory(output);
            self.merge_into(&directory, output, format)?;
            written.push(directory);
        }
        Ok(written)
    }

    /// Writes the model merged with the adapter at `adapter` as the Hugging Face directory
    /// `directory`. The exact weights are read again, since training may have freed them.
    fn merge_into(
        &self,
        directory: &Path,
        adapter: &Path,
        format: StoredFormat,
    ) -> Result<(), SaveError> {
        let device = self.model.network.device().inner();
        let merged = LanguageModel::load(adapter, &device)?;
        Ok(save_huggingface(&merged, directory, format)?)
    }

    fn write(
        &self,
        model: &LanguageModel,
        folder: &Path,
        format: StoredFormat,
    ) -> Result<(), ExportError> {
        match self.method {
            Method::Full => save_huggingface(model, folder, format),
            Method::Lora => save_peft_adapter(model, &model.identity.path, folder),
        }
    }

    /// The model with `network`.
    pub fn with(&self, network: &Network) -> LanguageModel {
        let mut model = self.model.clone();
        model.network = network.clone();
        model
    }
}

/// Path of the merged model. Loaders attach adapter files found next to weights, so it cannot share
/// the adapter's directory.
pub fn merged_directory(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push("-merged");
    output.with_file_name(name)
}

/// Our name for the parameter that PEFT calls `name`.
fn adapter_field(name: &str) -> String {
    let name = name.strip_prefix(ADAPTER_PREFIX).unwrap_or(name);
    ADAPTER_PARTS
        .iter()
        .find_map(|(stored, field)| Some(format!("{}{field}", name.strip_suffix(stored)?)))
        .unwrap_or_else(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peft_names_lead_to_fields() {
        let name = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight";
        assert_eq!(
            adapter_field(name),
            "model.layers.0.mlp.up_proj.lora.lora_b"
        );
    }

    #[test]
    fn the_merged_model_has_a_directory_of_its_own() {
        assert_eq!(
            merged_directory(Path::new("runs/a/model")),
            Path::new("runs/a/model-merged")
        );
    }
}
