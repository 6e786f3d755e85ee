//! One run a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Held while a run trains in its folder; the system releases it with the process, however that
/// ends.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

/// Why a folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{folder}: another process is training in this folder; wait for it or choose another run name"
    )]
    Taken {
        /// The folder.
        folder: String,
    },
    /// The file system refused.
    #[error("{folder}: cannot lock: {source}")]
    Io {
        /// The folder.
        folder: String,
        /// What it said.
        source: io::Error,
    },
}

impl FolderLock {
    /// Takes `folder`, or fails at once.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let name = || folder.display().to_string();
        let io_error = |source| LockError::Io {
            folder: name(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(".lock"))
            .map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken { folder: name() }),
            Err(TryLockError::Error(source)) => Err(io_error(source)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough while a process that is just being started has it too.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_trained_in_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(
            FolderLock::take(folder.path()),
            Err(LockError::Taken { .. })
        ));
        drop(lock);
        FolderLock::take(folder.path()).unwrap();
    }
}
