//! Errors of files, folders and locks.

use std::io;
use std::path::{Path, PathBuf};

/// Error returned when an artefact cannot be read, written or locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), space_hint(source))]
    Io {
        /// The operation that failed, e.g. `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// A file that the program wrote is damaged.
    #[error("{}:{line}: {message}; delete the file so that it is made again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The fault.
        message: String,
    },

    /// Another process is using the folder.
    #[error(
        "another run is using {}; wait for it to end, or set another `output`", folder.display()
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
    },

    /// The artefact is not there, and nothing may be made ([`Place::read_only`](crate::Place)).
    #[error("{name} has not been made yet")]
    NotMade {
        /// Name of the artefact.
        name: String,
    },
}

impl ArtefactError {
    /// Wraps an I/O error with the operation and the path, for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtefactError {
        move |source| ArtefactError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn space_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; free some space and run the same command again to resume"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported_as_one() {
        let path = Path::new("/dev/full");
        let mut full = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let error =
            io::Write::write_all(&mut full, b"row").map_err(ArtefactError::io("write", path));
        let message = error.unwrap_err().to_string();
        assert!(
            message.starts_with("cannot write /dev/full: No space left"),
            "{message}"
        );
        assert!(message.contains("free some space"), "{message}");
    }
}
