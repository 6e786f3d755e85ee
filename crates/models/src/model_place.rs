//! What lies at a path that should lead to a model.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::adapter_directory::ADAPTER_CONFIG;
use crate::checkpoint::CheckpointError;
use crate::language_model::LoadError;

/// The kinds of model that a path can lead to.
pub(crate) enum Place<'p> {
    Gguf(PathBuf),
    Directory(&'p Path),
    Adapter(&'p Path),
}

impl<'p> Place<'p> {
    /// The model that the path leads to.
    pub fn of(path: &'p Path) -> Result<Self, LoadError> {
        let not_a_model = |message: &str| LoadError::NotAModel {
            path: path.into(),
            message: message.into(),
        };
        if path.is_file() {
            // Files from Ollama have no extension.
            return match begins_as_gguf(path) || is_named_gguf(path) {
                true => Ok(Self::Gguf(path.into())),
                false => Err(not_a_model(
                    "is not a GGUF file; name a GGUF file or the directory of a model",
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
            [first, ..] if first.to_string_lossy().contains("-00001-of-") => {
                Ok(Self::Gguf(first.clone()))
            }
            [] if path.join("model").is_dir() => Err(not_a_model(
                "is the folder of a run, not a model; name the folder model in it",
            )),
            [] => Err(not_a_model(
                "contains no model: no config.json, adapter_config.json or .gguf file",
            )),
            [first, second, ..] => Err(not_a_model(&format!(
                "contains several GGUF files ({}, {} …); name one of them",
                first.display(),
                second.display()
            ))),
        }
    }
}

/// Whether a file begins as GGUF files do.
fn begins_as_gguf(path: &Path) -> bool {
    let mut first = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && &first == b"GGUF"
}

fn is_named_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

fn gguf_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let error = |error| LoadError::Checkpoint(CheckpointError::file(directory, error));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if is_named_gguf(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
