//! One run a folder, or one run a shard.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StageError;
use super::shard::Shard;

/// Held while a stage works in its folder; the system releases it with the process, however that
/// ends.
#[derive(Debug)]
pub struct Lock {
    files: Vec<File>,
}

impl Lock {
    /// Takes the folder for one run of `shard`. A run over all rows has the folder to itself;
    /// different shards may share it.
    pub fn take(folder: &Path, shard: Shard) -> Result<Lock, StageError> {
        let mut files = vec![open(folder, ".lock")?];
        if shard.is_whole() {
            require(files[0].try_lock(), folder)?;
        } else {
            require(files[0].try_lock_shared(), folder)?;
            let own = open(folder, &format!(".lock-{}", shard.numbered()))?;
            require(own.try_lock(), folder)?;
            files.push(own);
        }
        Ok(Lock { files })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the files is not enough while a process that is just being started has them too.
        for file in &self.files {
            let _ = file.unlock();
        }
    }
}

/// An error where another run is using the stage's `folder`; nothing is created.
pub fn require_free(folder: &Path, shard: Shard) -> Result<(), StageError> {
    match folder.join(".lock").exists() {
        true => Lock::take(folder, shard).map(drop),
        false => Ok(()),
    }
}

fn open(folder: &Path, name: &str) -> Result<File, StageError> {
    let path = folder.join(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    file.map_err(StageError::io("open", &path))
}

fn require(attempt: Result<(), TryLockError>, folder: &Path) -> Result<(), StageError> {
    attempt.map_err(|error| match error {
        TryLockError::WouldBlock => StageError::Locked {
            folder: folder.to_owned(),
        },
        TryLockError::Error(source) => StageError::io("lock", folder)(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_a_folder_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let shard = |index| Shard::new(index, 2).unwrap();
        let first = Lock::take(folder.path(), shard(0)).unwrap();
        let second = Lock::take(folder.path(), shard(1)).unwrap();
        let refused = |shard| {
            matches!(
                Lock::take(folder.path(), shard),
                Err(StageError::Locked { .. })
            )
        };
        assert!(refused(shard(0)));
        assert!(refused(Shard::WHOLE));
        drop((first, second));
        let whole = Lock::take(folder.path(), Shard::WHOLE).unwrap();
        assert!(refused(shard(0)));
        assert!(refused(Shard::WHOLE));
        drop(whole);
        assert!(!refused(Shard::WHOLE));
    }
}
