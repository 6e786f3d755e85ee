//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::ArtefactError;

/// A file that is written under a temporary name, hashed, and renamed once complete.
///
/// A killed process leaves at most `NAME.incomplete`, which is overwritten next time.
pub struct AtomicFile {
    file: File,
    /// Not written yet.
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    temporary: PathBuf,
    path: PathBuf,
}

/// blake3 is several times faster on large pieces than on single rows.
const BUFFER: usize = 1 << 19;

impl AtomicFile {
    /// Begins a file that [`AtomicFile::commit`] moves to `path`.
    ///
    /// # Panics
    /// If `path` has no file name.
    pub fn create(path: &Path) -> Result<AtomicFile, ArtefactError> {
        let mut name = path.file_name().expect("a path within a folder").to_owned();
        name.push(".incomplete");
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary).map_err(ArtefactError::io("create", &temporary))?;
        Ok(AtomicFile {
            file,
            buffer: Vec::with_capacity(BUFFER),
            hasher: blake3::Hasher::new(),
            temporary,
            path: path.to_owned(),
        })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArtefactError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), ArtefactError> {
        self.hasher.update(&self.buffer);
        self.file
            .write_all(&self.buffer)
            .map_err(ArtefactError::io("write", &self.temporary))?;
        self.buffer.clear();
        Ok(())
    }

    /// Syncs the content to disk and renames the file to its final path; returns the blake3 hash of
    /// the content in hexadecimal.
    pub fn commit(mut self) -> Result<String, ArtefactError> {
        self.flush()?;
        self.file
            .sync_all()
            .map_err(ArtefactError::io("write", &self.temporary))?;
        std::fs::rename(&self.temporary, &self.path)
            .map_err(ArtefactError::io("rename", &self.temporary))?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

/// Writes a small file atomically; returns the blake3 hash of its content.
pub fn write(path: &Path, bytes: &[u8]) -> Result<String, ArtefactError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

/// The blake3 hash of a file's content in hexadecimal.
pub fn hash_file(path: &Path) -> Result<String, ArtefactError> {
    let file = File::open(path).map_err(ArtefactError::io("open", path))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file)
        .map_err(ArtefactError::io("read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The hash that [`write`](fn@write) returns for this content.
pub fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Makes renames and removals in `folder` survive a power failure. Errors are ignored, because not
/// every file system can open a folder.
pub fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Removes a file if it exists.
pub fn remove(path: &Path) -> Result<(), ArtefactError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ArtefactError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_file_leaves_the_old_content_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let hash = write(&path, b"old").unwrap();
        assert_eq!(hash, blake3::hash(b"old").to_hex().to_string());
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(hash_file(&path).unwrap(), hash);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
