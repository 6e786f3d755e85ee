//! The house rules of ARCHITECTURE.md, checked.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The project's crates and those of them that each may import.
const ALLOWED_IMPORTS: [(&str, &[&str]); 7] = [
    ("corpus", &[]),
    ("kernels", &[]),
    ("models", &["kernels"]),
    ("engines", &["corpus", "models"]),
    ("training", &["corpus", "models", "kernels"]),
    ("evaluation", &["corpus"]),
    (
        "xldistill",
        &[
            "corpus",
            "kernels",
            "models",
            "engines",
            "training",
            "evaluation",
        ],
    ),
];

/// The stages of the transfer set: modules of `corpus` that know nothing of each other.
const STAGES: [&str; 5] = ["answer", "translate", "filter", "code_switch", "mix"];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("crates/")
        .to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn crates_import_one_way_only() {
    for (name, allowed) in ALLOWED_IMPORTS {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let imported: BTreeSet<&str> = manifest["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|import| ALLOWED_IMPORTS.iter().any(|(own, _)| own == import))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let wrong: Vec<_> = imported.difference(&allowed).collect();
        assert!(
            wrong.is_empty(),
            "crates/{name} imports {wrong:?}; allowed are {allowed:?}"
        );
    }
}

#[test]
fn every_crate_is_listed() {
    let listed: BTreeSet<String> = ALLOWED_IMPORTS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let present: BTreeSet<String> = fs::read_dir(crates())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(present, listed);
}

#[test]
fn a_stage_never_imports_another_stage() {
    let source = crates().join("corpus").join("src");
    for stage in STAGES {
        let mut files = rust_files(&source.join(stage));
        files.push(source.join(stage).with_extension("rs"));
        assert!(
            files.iter().any(|file| file.exists()),
            "the stage `{stage}` has no module"
        );
        for file in files.iter().filter(|file| file.exists()) {
            let text = fs::read_to_string(file).unwrap();
            for other in STAGES.iter().filter(|other| **other != stage) {
                let import = format!("crate::{other}");
                let imports = text.match_indices(&import).any(|(at, _)| {
                    // `crate::answering` is not `crate::answer`.
                    !text[at + import.len()..]
                        .starts_with(|next: char| next == '_' || next.is_alphanumeric())
                });
                assert!(!imports, "{} imports the stage `{other}`", file.display());
            }
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    for file in rust_files(&crates()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(
            !EMPTY_NAMES.contains(&name),
            "{}: name it after its concept",
            file.display()
        );
    }
}
