//! Folders that appear whole or not at all.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::{ArtefactError, sync_folder};

/// A folder that is written under a temporary name and renamed once complete.
///
/// A killed process leaves `.NAME.xldistill-incomplete` beside it, which the next one for the same
/// folder removes first. Dropped without [`AtomicFolder::commit`], nothing is left.
#[derive(Debug)]
pub struct AtomicFolder {
    /// The folder itself, locked: a file in it would have to be removed before it is renamed.
    _lock: Option<File>,
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl AtomicFolder {
    /// Begins a folder that [`AtomicFolder::commit`] moves to `path`, which must not exist or be
    /// empty by then.
    ///
    /// # Errors
    /// [`ArtefactError::Locked`] if another process is writing the same folder.
    ///
    /// # Panics
    /// If `path` has no file name.
    pub fn create(path: &Path) -> Result<AtomicFolder, ArtefactError> {
        let name = path.file_name().expect("a path within a folder");
        let name = format!(".{}.xldistill-incomplete", name.to_string_lossy());
        let temporary = path.with_file_name(name);
        fs::create_dir_all(&temporary).map_err(ArtefactError::io("create", &temporary))?;
        // Not every system can open a folder.
        let lock = File::open(&temporary).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            return Err(ArtefactError::Locked {
                folder: path.to_owned(),
            });
        }
        let left = fs::read_dir(&temporary).map_err(ArtefactError::io("read", &temporary))?;
        for entry in left {
            let left = entry.map_err(ArtefactError::io("read", &temporary))?.path();
            let removed = match left.is_dir() && !left.is_symlink() {
                true => fs::remove_dir_all(&left),
                false => fs::remove_file(&left),
            };
            removed.map_err(ArtefactError::io("remove", &left))?;
        }
        Ok(AtomicFolder {
            _lock: lock,
            temporary,
            path: path.to_owned(),
            committed: false,
        })
    }

    /// Where its files are written.
    pub fn files(&self) -> &Path {
        &self.temporary
    }

    /// Renames the folder to its final path. Its files must be on disk already.
    pub fn commit(mut self) -> Result<(), ArtefactError> {
        sync_folder(&self.temporary);
        fs::rename(&self.temporary, &self.path)
            .map_err(ArtefactError::io("rename", &self.temporary))?;
        self.committed = true;
        if let Some(parent) = self.path.parent() {
            sync_folder(parent);
        }
        Ok(())
    }
}

impl Drop for AtomicFolder {
    fn drop(&mut self) {
        if !self.committed {
            // The error that led here is the one to tell.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_there_as_a_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        let mut killed = AtomicFolder::create(&path).unwrap();
        fs::create_dir(killed.files().join("part")).unwrap();
        fs::write(killed.files().join("part/a"), "a").unwrap();
        fs::write(killed.files().join("b"), "b").unwrap();
        let other = AtomicFolder::create(&path);
        assert!(matches!(other, Err(ArtefactError::Locked { .. })));
        // A killed process leaves its files and no lock.
        killed.committed = true;
        drop(killed);
        assert_eq!(names(parent.path()), [".model.xldistill-incomplete"]);

        let next = AtomicFolder::create(&path).unwrap();
        fs::write(next.files().join("c"), "c").unwrap();
        next.commit().unwrap();
        assert_eq!(names(parent.path()), ["model"]);
        assert_eq!(names(&path), ["c"]);

        // What is there is not replaced, and nothing else is left.
        let failed = AtomicFolder::create(&path).unwrap();
        fs::write(failed.files().join("d"), "d").unwrap();
        assert!(failed.commit().is_err());
        assert_eq!(names(parent.path()), ["model"]);
        assert_eq!(names(&path), ["c"]);
    }
}
