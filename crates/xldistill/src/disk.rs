//! Room on the disk that a run writes to.

use std::fs;
use std::path::Path;

/// The folder at `path` or, if it is not there yet, the nearest one above it.
pub fn existing(path: &Path) -> &Path {
    let mut above = path.ancestors().filter(|folder| folder.exists());
    match above.next() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Bytes that may still be written below `folder`, which need not exist; `None` if the system does
/// not say.
#[cfg(unix)]
pub fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(existing(folder)).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Bytes that may still be written below `folder`; here the system is not asked.
#[cfg(not(unix))]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// Bytes of the files below `folder`, of which those that cannot be read count as empty.
pub fn used(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => used(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
        // A link's target is counted where it is.
        _ => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_that_of_the_nearest_folder_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        assert_eq!(existing(&below), folder.path());
        assert_eq!(existing(Path::new("not-there/a")), Path::new("."));
        assert_eq!(used(&below), 0);
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("file"), [0; 300]).unwrap();
        fs::write(folder.path().join("other"), [0; 20]).unwrap();
        assert_eq!(used(folder.path()), 320);
        #[cfg(unix)]
        assert!(free(&below.join("c")).is_some_and(|bytes| bytes > 0));
    }
}
