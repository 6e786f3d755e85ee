//! Files that are there whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StageError;

/// A file that is written beside its place and moved there when it is complete; hashed on the way.
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
    /// Begins a file that [`AtomicFile::commit`] will put at `path`.
    pub fn create(path: &Path) -> Result<AtomicFile, StageError> {
        let mut name = path.file_name().expect("a path within a folder").to_owned();
        name.push(".incomplete");
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary).map_err(StageError::io("create", &temporary))?;
        let (buffer, hasher) = (Vec::with_capacity(BUFFER), blake3::Hasher::new());
        Ok(AtomicFile {
            file,
            buffer,
            hasher,
            temporary,
            path: path.to_owned(),
        })
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StageError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), StageError> {
        self.hasher.update(&self.buffer);
        self.file
            .write_all(&self.buffer)
            .map_err(StageError::io("write", &self.temporary))?;
        self.buffer.clear();
        Ok(())
    }

    /// Brings everything to the disk, then to its place; returns the blake3 hash of the content.
    pub fn commit(mut self) -> Result<String, StageError> {
        self.flush()?;
        let AtomicFile {
            file,
            hasher,
            temporary,
            path,
            ..
        } = self;
        file.sync_all()
            .map_err(StageError::io("write", &temporary))?;
        std::fs::rename(&temporary, &path).map_err(StageError::io("rename", &temporary))?;
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// Writes a small file atomically.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit().map(drop)
}

/// Makes renames and removals in `folder` survive a power failure. Best effort: not every file
/// system can open a folder.
pub fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), StageError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StageError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
