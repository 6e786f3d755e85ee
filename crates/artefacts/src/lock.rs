//! Locks on a folder, or on parts of it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{ArtefactError, store};

/// Held while a process works in a folder. The operating system releases it when the process ends,
/// however that happens.
#[derive(Debug)]
pub struct Lock {
    files: Vec<File>,
}

/// Name of the locked file.
const WHOLE: &str = ".lock";

impl Lock {
    /// Locks the whole `folder`, which must exist. In a [`Store`](crate::Store), whose artefacts
    /// several runs may need at once, waits for other processes.
    ///
    /// # Errors
    /// [`ArtefactError::Locked`] if another process has locked the folder or a part of it.
    pub fn whole(folder: &Path) -> Result<Lock, ArtefactError> {
        let file = open(folder, WHOLE)?;
        take(&file, folder, File::try_lock, File::lock)?;
        Ok(Lock { files: vec![file] })
    }

    /// Locks a part of `folder`, e.g. a shard. Other parts can still be locked, the whole cannot.
    /// Waits and fails like [`Lock::whole`].
    pub fn part(folder: &Path, part: &str) -> Result<Lock, ArtefactError> {
        let whole = open(folder, WHOLE)?;
        take(&whole, folder, File::try_lock_shared, File::lock_shared)?;
        let own = open(folder, &Self::part_file(part))?;
        take(&own, folder, File::try_lock, File::lock)?;
        Ok(Lock {
            files: vec![whole, own],
        })
    }

    /// Locks the parts `own` of `folder`, and the parts `read` against those who own them; others
    /// may read them, too. Fails like [`Lock::part`].
    pub fn parts(folder: &Path, own: &[&str], read: &[&str]) -> Result<Lock, ArtefactError> {
        let mut lock = Lock { files: Vec::new() };
        let mut add = |name: &str, shared: bool| {
            let file = open(folder, name)?;
            match shared {
                true => take(&file, folder, File::try_lock_shared, File::lock_shared)?,
                false => take(&file, folder, File::try_lock, File::lock)?,
            }
            lock.files.push(file);
            Ok::<_, ArtefactError>(())
        };
        add(WHOLE, true)?;
        for part in own {
            add(&Self::part_file(part), false)?;
        }
        for part in read {
            add(&Self::part_file(part), true)?;
        }
        Ok(lock)
    }

    /// Locks the whole `folder`; waits for processes that have locked it or a part of it.
    pub fn wait(folder: &Path) -> Result<Lock, ArtefactError> {
        let file = open(folder, WHOLE)?;
        file.lock().map_err(ArtefactError::io("lock", folder))?;
        Ok(Lock { files: vec![file] })
    }

    /// Fails if another process has locked `folder`, or `part` of it. Creates nothing. Artefacts of
    /// a store never fail, since processes wait for them.
    pub fn require_free(folder: &Path, part: Option<&str>) -> Result<(), ArtefactError> {
        if !folder.join(WHOLE).exists() || store::is_shared(folder) {
            return Ok(());
        }
        match part {
            None => Lock::whole(folder).map(drop),
            Some(part) => Lock::part(folder, part).map(drop),
        }
    }

    /// Name of the locked file of `part`.
    pub fn part_file(part: &str) -> String {
        format!("{WHOLE}-{part}")
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the files is not enough: a child process that is being started has them open,
        // too.
        for file in &self.files {
            let _ = file.unlock();
        }
    }
}

fn open(folder: &Path, name: &str) -> Result<File, ArtefactError> {
    let path = folder.join(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    file.map_err(ArtefactError::io("open", &path))
}

fn take(
    file: &File,
    folder: &Path,
    attempt: fn(&File) -> Result<(), TryLockError>,
    wait: fn(&File) -> std::io::Result<()>,
) -> Result<(), ArtefactError> {
    match attempt(file) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) if store::is_shared(folder) => {
            tracing::warn!(
                "waiting for another run that is making {}",
                folder.display()
            );
            wait(file).map_err(ArtefactError::io("lock", folder))
        }
        Err(TryLockError::WouldBlock) => Err(ArtefactError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(ArtefactError::io("lock", folder)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_can_be_read_by_others_but_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let locked = |attempt| matches!(attempt, Err(ArtefactError::Locked { .. }));
        let train = Lock::parts(folder, &["train"], &["mix"]).unwrap();
        let other = Lock::parts(folder, &["other"], &["mix"]).unwrap();
        assert!(locked(Lock::parts(folder, &["mix"], &[])));
        assert!(locked(Lock::parts(folder, &[], &["train"])));
        assert!(locked(Lock::whole(folder)));
        drop((train, other));
        Lock::parts(folder, &["mix"], &[]).unwrap();
        let whole = Lock::whole(folder).unwrap();
        assert!(locked(Lock::parts(folder, &["mix"], &[])));
        drop(whole);
    }

    #[test]
    fn parts_share_a_folder_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        Lock::require_free(folder, None).unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
        let first = Lock::part(folder, "1").unwrap();
        let second = Lock::part(folder, "2").unwrap();
        let locked = |attempt| matches!(attempt, Err(ArtefactError::Locked { .. }));
        assert!(locked(Lock::part(folder, "1")));
        assert!(locked(Lock::whole(folder)));
        assert!(Lock::require_free(folder, None).is_err());
        assert!(Lock::require_free(folder, Some("1")).is_err());
        Lock::require_free(folder, Some("3")).unwrap();
        drop((first, second));
        let whole = Lock::whole(folder).unwrap();
        assert!(locked(Lock::part(folder, "1")));
        assert!(locked(Lock::whole(folder)));
        drop(whole);
        Lock::whole(folder).unwrap();
    }
}
