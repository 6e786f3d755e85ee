//! Files that are whole or not there: written under a temporary name, then renamed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ExportError;
use super::weights::{Stored, StoredFormat, Values};

/// The directory that is written to.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub fn create(directory: &Path) -> Result<Self, ExportError> {
        std::fs::create_dir_all(directory).map_err(|error| write_error(directory, error))?;
        let folder = Self(directory.to_path_buf());
        folder.remove_unfinished()?;
        Ok(folder)
    }

    /// Removes what a killed process left: files of this module, and those under which the
    /// safetensors crate writes before it renames.
    fn remove_unfinished(&self) -> Result<(), ExportError> {
        let list = |error| write_error(&self.0, error);
        for entry in std::fs::read_dir(&self.0).map_err(list)? {
            let name = entry.map_err(list)?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".tmp") || name.ends_with(".partial") {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), ExportError> {
        let path = self.0.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(write_error(&path, error))
            }
            _ => Ok(()),
        }
    }

    pub fn json(&self, name: &str, value: &Value) -> Result<(), ExportError> {
        self.text(name, &format!("{value:#}\n"))
    }

    pub fn text(&self, name: &str, text: &str) -> Result<(), ExportError> {
        self.bytes(name, text.as_bytes())
    }

    pub fn bytes(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.replace(name, |path| {
            let mut file = File::create(path).map_err(|error| error.to_string())?;
            file.write_all(bytes).map_err(|error| error.to_string())
        })
    }

    /// A file that is too large to be made in memory.
    pub fn stream(
        &self,
        name: &str,
        write: impl FnOnce(&File) -> std::io::Result<()>,
    ) -> Result<(), ExportError> {
        self.replace(name, |path| {
            let file = File::create(path).map_err(|error| error.to_string())?;
            write(&file).map_err(|error| error.to_string())
        })
    }

    pub fn weights(
        &self,
        name: &str,
        tensors: Vec<(String, Values)>,
        format: StoredFormat,
    ) -> Result<(), ExportError> {
        let views = tensors
            .iter()
            .map(|(name, values)| (name, Stored { values, format }));
        // Transformers refuses files that do not say which framework's layout they hold.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        self.replace(name, |path| {
            safetensors::serialize_to_file(views, Some(metadata), path)
                .map_err(|error| error.to_string())
        })
    }

    fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<(), ExportError> {
        let path = self.0.join(name);
        let partial = self.0.join(format!("{name}.partial"));
        // As readable as any new file, whatever the writer makes of it: safetensors' own is closed to
        // other users.
        let mode = File::create(&partial)
            .and_then(|file| file.metadata())
            .map(|metadata| metadata.permissions());
        mode.map_err(|error| error.to_string())
            .and_then(|mode| {
                write(&partial)?;
                let file = File::open(&partial).map_err(|error| error.to_string())?;
                file.set_permissions(mode)
                    .map_err(|error| error.to_string())?;
                file.sync_all().map_err(|error| error.to_string())?;
                std::fs::rename(&partial, &path).map_err(|error| error.to_string())
            })
            .map_err(|message| {
                // What is left of a failed file is of no use; the first error is the one to tell.
                let _ = std::fs::remove_file(&partial);
                write_error(&path, message)
            })
    }
}

fn write_error(path: &Path, message: impl ToString) -> ExportError {
    ExportError::Write {
        path: path.to_path_buf(),
        message: message.to_string(),
    }
}
