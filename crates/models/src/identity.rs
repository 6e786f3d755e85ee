//! Identity of a model: a hash of its files, and its licence.

use std::path::{Path, PathBuf};

use crate::checkpoint::CheckpointError;
use crate::huggingface;

/// Origin of a model. Part of the hash of every row that it produces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelIdentity {
    /// The path it was loaded from.
    pub path: PathBuf,
    /// Hash of the content of its files, as hexadecimal digits.
    pub revision: String,
    /// Licence, if the file or its model card states one.
    pub licence: Option<String>,
}

impl ModelIdentity {
    /// The identity of the model with a chat template that it did not bring.
    pub fn with_template(self, source: &str) -> Self {
        let hash = blake3::hash(source.as_bytes()).to_hex();
        Self {
            revision: format!("{}+template-{}", self.revision, &hash[..16]),
            ..self
        }
    }
}

/// Hash of these files' contents, in this order.
pub(crate) fn content_hash(files: &[PathBuf]) -> Result<String, CheckpointError> {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher
            .update_mmap_rayon(file)
            .map_err(|error| CheckpointError::file(file, error))?;
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// The files of a directory that determine a model's output, in alphabetical order.
pub(crate) fn model_files(directory: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    const SUFFIXES: [&str; 4] = [".safetensors", ".bin", ".json", ".jinja"];
    let error = |error| CheckpointError::file(directory, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_file() && SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `license` in the front matter of the model card.
pub(crate) fn licence_of_card(directory: &Path) -> Option<String> {
    let card = std::fs::read_to_string(directory.join("README.md")).ok()?;
    let front_matter = card.strip_prefix("---\n")?.split("\n---").next()?;
    front_matter
        .lines()
        .find_map(|line| line.strip_prefix("license:"))
        .map(|licence| licence.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|licence| !licence.is_empty())
}

/// The revisions of the base model and the adapter, combined.
pub(crate) fn with_adapter(
    base: &ModelIdentity,
    directory: &Path,
) -> Result<ModelIdentity, CheckpointError> {
    let adapter = adapter_revision(directory)?;
    Ok(ModelIdentity {
        path: directory.to_path_buf(),
        revision: format!("{}+{adapter}", base.revision),
        licence: licence_of_card(directory).or_else(|| base.licence.clone()),
    })
}

/// Hash of a PEFT adapter: its weights and its settings, which scale them.
pub(crate) fn adapter_revision(directory: &Path) -> Result<String, CheckpointError> {
    const CONFIG: &str = "adapter_config.json";
    let mut files = model_files(directory)?;
    files.retain(|file| !file.ends_with(CONFIG));
    let mut config = huggingface::read_json(&directory.join(CONFIG))?.unwrap_or_default();
    // The base model's place is not part of the adapter; its content is in its own revision.
    if let Some(config) = config.as_object_mut() {
        config.remove("base_model_name_or_path");
    }
    let parts = format!("{}{config}", content_hash(&files)?);
    Ok(blake3::hash(parts.as_bytes()).to_hex()[..16].to_owned())
}
