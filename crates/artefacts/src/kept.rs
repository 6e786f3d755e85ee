//! Small artefacts: a single file in a folder of its own.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{ArtefactError, Key, Lock, MANIFEST_FILE, Manifest, Place, Provenance};

/// An empty addition to the manifest.
#[derive(Serialize, Deserialize)]
struct Nothing {}

/// The content of `file` in a run's artefact `name`, if it is undamaged and has this provenance;
/// otherwise the result of `make`, which is stored there. Concurrent processes wait for the first.
///
/// # Errors
/// Those of `make`, and of reading and writing. In a [read-only](Place::read_only) place,
/// [`ArtefactError::NotMade`] instead of calling `make`.
pub fn kept<E: From<ArtefactError>>(
    place: &Place,
    name: &str,
    file: &str,
    provenance: Provenance,
    make: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let key = provenance.key();
    let folder = &place.folder(name, || Ok::<_, E>(key.clone()))?;
    if place.is_read_only() {
        let name = name.to_owned();
        return Ok(found(folder, file, &key).ok_or(ArtefactError::NotMade { name })?);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::wait(folder)?;
    if let Some(content) = found(folder, file, &key) {
        return Ok(content);
    }
    let (path, manifest_path) = (folder.join(file), folder.join(MANIFEST_FILE));
    let started = Instant::now();
    let content = make()?;
    crate::remove(&manifest_path)?;
    let files = [(file.to_owned(), crate::write(&path, &content)?)].into();
    let seconds = started.elapsed().as_secs_f64();
    Manifest::new(provenance, files, Nothing {}, seconds).write(&manifest_path)?;
    Ok(content)
}

/// The content of `file` in `folder`, if it is the undamaged artefact with this key.
fn found(folder: &Path, file: &str, key: &Key) -> Option<Vec<u8>> {
    let manifest = Manifest::<Nothing>::read(&folder.join(MANIFEST_FILE)).ok()??;
    let content = fs::read(folder.join(file)).ok()?;
    let hash = blake3::hash(&content).to_hex();
    let intact = manifest.files.get(file).map(String::as_str) == Some(hash.as_str());
    (manifest.key == *key && intact).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The number of the call that made what is kept for `version`.
    fn ask(made: &AtomicU64, place: &Place, version: u32) -> Vec<u8> {
        let provenance = Provenance {
            stage: "test".into(),
            version,
            parameters: serde_json::Value::Null,
            engines: Vec::new(),
            inputs: Default::default(),
        };
        let make = || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let number = made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ArtefactError>(number.to_string().into_bytes())
        };
        kept(place, "count", "number", provenance, make).unwrap()
    }

    #[test]
    fn content_is_made_once_for_all_who_ask() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path(), None).unwrap();
        let made = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(ask(&made, &place, 1), b"0"));
            }
        });
        assert_eq!(ask(&made, &place, 2), b"1", "another key");
        assert_eq!(ask(&made, &place, 2), b"1");
        fs::write(folder.path().join("count/number"), "7").unwrap();
        assert_eq!(ask(&made, &place, 2), b"2", "an edited file is not trusted");

        let looking = Place::read_only(folder.path(), None);
        assert_eq!(ask(&made, &looking, 2), b"2");
        let provenance = Provenance {
            stage: "test".into(),
            version: 3,
            parameters: serde_json::Value::Null,
            engines: Vec::new(),
            inputs: Default::default(),
        };
        let found = kept(&looking, "other", "number", provenance, || {
            Ok::<_, ArtefactError>(Vec::new())
        });
        assert!(matches!(found, Err(ArtefactError::NotMade { name }) if name == "other"));
        assert!(!folder.path().join("other").exists());
    }

    #[cfg(unix)]
    #[test]
    fn runs_with_a_store_share_it() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("store");
        let place = |run| Place::new(&root.path().join(run), Some(&store)).unwrap();
        let made = AtomicU64::new(0);
        assert_eq!(ask(&made, &place("first"), 1), b"0");
        assert_eq!(ask(&made, &place("second"), 1), b"0");
        assert_eq!(ask(&made, &place("second"), 2), b"1");
        assert_eq!(
            ask(&made, &place("first"), 1),
            b"0",
            "both are in the store"
        );
    }
}
