//! The trained model on disk: as it is exported, and as a checkpoint holds it.
//!
//! Both are what users know: a Hugging Face directory, or a PEFT adapter for LoRA. A checkpoint
//! can be loaded like any model.

use std::path::{Path, PathBuf};

use models::export::{ExportError, StoredFormat, save_huggingface, save_peft_adapter};
use models::llama::Llama;
use models::{LanguageModel, LoadError};

use crate::config::{ExportPrecision, Method, TrainConfig};
use crate::parameters::{ParameterFileError, read_tensors, replace_trainable};

/// Why what is to be taken away could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The files.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The adapter was written, but not the model with it folded in.
    #[error("train.lora_merge: the adapter cannot be loaded with its base model: {0}")]
    Merge(#[from] LoadError),
}

/// File names and tensor names of Transformers and PEFT.
const MODEL_WEIGHTS: &str = "model.safetensors";
const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
const ADAPTER_PREFIX: &str = "base_model.model.";
/// Ends of an adapter's tensor names, in PEFT and in [`models::Linear`].
const ADAPTER_PARTS: [(&str, &str); 2] = [
    ("lora_A.weight", "lora.lora_a"),
    ("lora_B.weight", "lora.lora_b"),
];

/// Writes the trained parameters exactly, in single precision.
pub fn write_checkpoint(
    model: &LanguageModel,
    method: Method,
    folder: &Path,
) -> Result<(), ExportError> {
    match method {
        Method::Full => save_huggingface(model, folder, StoredFormat::F32),
        Method::Lora => save_peft_adapter(model, &model.identity.path, folder),
    }
}

/// Puts the parameters that [`write_checkpoint`] wrote into `llama`.
pub fn read_checkpoint(
    llama: Llama,
    method: Method,
    folder: &Path,
) -> Result<Llama, ParameterFileError> {
    let path = folder.join(match method {
        Method::Full => MODEL_WEIGHTS,
        Method::Lora => ADAPTER_WEIGHTS,
    });
    let tensors = read_tensors(&path, &llama.device())?;
    let tensors = match method {
        Method::Full => tensors,
        Method::Lora => tensors
            .into_iter()
            .map(|(name, tensor)| (adapter_field(&name), tensor))
            .collect(),
    };
    replace_trainable(llama, tensors, &path)
}

/// Writes what the user takes away: a Hugging Face directory at `output`, or an adapter there and,
/// with `lora_merge`, the merged model in the directory `<output>-merged` beside it.
pub fn export(model: &LanguageModel, config: &TrainConfig, output: &Path) -> Result<(), SaveError> {
    let format = match config.export_precision {
        ExportPrecision::F32 => StoredFormat::F32,
        ExportPrecision::Bf16 => StoredFormat::BF16,
    };
    match config.method {
        Method::Full => save_huggingface(model, output, format)?,
        Method::Lora => {
            save_peft_adapter(model, &model.identity.path, output)?;
            if config.lora_merge {
                // Training may have let the exact weights go.
                let merged = LanguageModel::load(output, &model.llama.device().inner())?;
                save_huggingface(&merged, &merged_directory(output), format)?;
            }
        }
    }
    Ok(())
}

/// Where the merged model goes: loaders attach adapter files that lie beside weights, so it cannot
/// share the adapter's directory.
fn merged_directory(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push("-merged");
    output.with_file_name(name)
}

/// The parameter that PEFT calls `name`.
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
