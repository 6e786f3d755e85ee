//! The manifest of an artefact: its provenance, results and files. It is written last, so a folder
//! without one is unfinished.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ArtefactError, Key, Provenance};

/// Name of the manifest in an artefact's folder.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Description of a finished artefact. `T` contains the results of the stage, as further keys of
/// the same JSON object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest<T = Value> {
    /// The stage, its parameters, engines and inputs.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Version of xldistill.
    pub xldistill_version: String,
    /// [`Provenance::key`].
    pub key: Key,
    /// The files beside the manifest, with the blake3 hashes of their content.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Results of the stage: counts, losses, scores.
    #[serde(flatten)]
    pub results: T,
    /// When the work ended, in seconds since 1970-01-01T00:00:00Z.
    pub finished_at: f64,
    /// Seconds of work, over all runs.
    pub seconds: f64,
}

impl<T> Manifest<T> {
    /// The manifest of work that ended just now.
    pub fn new(
        provenance: Provenance,
        files: BTreeMap<String, String>,
        results: T,
        seconds: f64,
    ) -> Manifest<T> {
        Manifest {
            key: provenance.key(),
            provenance,
            xldistill_version: env!("CARGO_PKG_VERSION").to_owned(),
            files,
            results,
            finished_at: crate::now(),
            seconds,
        }
    }

    /// Whether the files in `folder` have the hashes of the manifest.
    pub fn is_intact(&self, folder: &Path) -> bool {
        let is_intact = |(name, hash): (&String, &String)| {
            crate::hash_file(&folder.join(name)).is_ok_and(|found| found == *hash)
        };
        self.files.iter().all(is_intact)
    }
}

impl<T: Serialize> Manifest<T> {
    /// Writes the manifest to `path`, whole or not at all.
    ///
    /// # Panics
    /// If `T` is not plain data (a map with keys that are not strings).
    pub fn write(&self, path: &Path) -> Result<(), ArtefactError> {
        let mut json = serde_json::to_vec_pretty(self).expect("results are plain data");
        json.push(b'\n');
        crate::write(path, &json).map(drop)
    }
}

impl<T: DeserializeOwned> Manifest<T> {
    /// Reads the manifest at `path`; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Manifest<T>>, ArtefactError> {
        let json = match fs::read(path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArtefactError::io("read", path)(error)),
        };
        serde_json::from_slice(&json)
            .map(Some)
            .map_err(|error| ArtefactError::Malformed {
                path: path.to_owned(),
                line: error.line() as u64,
                message: error.to_string(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn provenance(parameter: u32) -> Provenance {
        Provenance {
            stage: "test".into(),
            version: 1,
            parameters: json!({ "parameter": parameter }),
            engines: Vec::new(),
            inputs: BTreeMap::from([("rows".to_owned(), "hash".to_owned())]),
        }
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Counts {
        rows: u64,
    }

    #[test]
    fn a_manifest_is_read_by_its_stage_and_by_those_who_know_none() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows");
        let hash = crate::write(&rows, b"one\n").unwrap();
        let files = BTreeMap::from([("rows".to_owned(), hash)]);
        let manifest = Manifest::new(provenance(1), files, Counts { rows: 1 }, 0.5);
        let path = folder.path().join(MANIFEST_FILE);
        assert_eq!(Manifest::<Counts>::read(&path).unwrap(), None);
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap().as_ref(), Some(&manifest));
        let any: Manifest = Manifest::read(&path).unwrap().unwrap();
        assert_eq!(any.results, json!({ "rows": 1 }));
        assert_eq!(any.provenance.key(), any.key);
        assert!(any.is_intact(folder.path()));
        std::fs::write(&rows, "two\n").unwrap();
        assert!(!any.is_intact(folder.path()));
        std::fs::write(&path, "{\n\"stage\": }").unwrap();
        let error = Manifest::<Counts>::read(&path).unwrap_err().to_string();
        assert!(error.contains("manifest.json:2: "), "{error}");
    }
}
