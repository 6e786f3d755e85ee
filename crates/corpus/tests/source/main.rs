//! Loading data sets: every layout and file type, and what becomes of broken ones.

mod broken;
mod files;
mod layouts;
mod pair_languages;
mod pairs;
mod parquet;
mod passages;
mod plain_text;
mod properties;

use std::path::PathBuf;

use corpus::source::{LoadOptions, Loaded, SourceError, load};
use proptest::prelude::ProptestConfig;
use serde_json::Value;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self, name: &str, content: impl AsRef<[u8]>) -> Result<Loaded, SourceError> {
        load(&self.file(name, content), &tolerant())
    }
}

/// 200 cases of a property, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(200),
    }
}

/// Small files with broken rows exceed the usual threshold.
fn tolerant() -> LoadOptions {
    LoadOptions {
        max_rejected_fraction: 0.9,
        ..LoadOptions::default()
    }
}

fn exchanges(loaded: &Loaded) -> Vec<(&str, &str)> {
    loaded
        .instructions
        .iter()
        .map(|i| (i.question.as_str(), i.answer.as_str()))
        .collect()
}

fn reasons(loaded: &Loaded) -> Vec<(&str, &str)> {
    loaded
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect()
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}
